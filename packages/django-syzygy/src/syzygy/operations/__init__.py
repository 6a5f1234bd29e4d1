"""Migration operations that know their stage.

The classes are written into migration files as `syzygy.operations.<name>`. `AddField`, `PostAddField` and
`PreRemoveField` are functions: files generated on Django 4.2 call them by these names and still load.
"""

from .field_defaults import (
    get_post_add_field_operation,
    get_pre_add_field_operation,
    get_pre_remove_field_operation,
)
from .staged import AlterField, RenameField, RenameModel, StagedOperation

__all__ = (
    "AddField",
    "AlterField",
    "PostAddField",
    "PreRemoveField",
    "RenameField",
    "RenameModel",
    "StagedOperation",
    "get_post_add_field_operation",
    "get_pre_add_field_operation",
    "get_pre_remove_field_operation",
)

AddField = get_pre_add_field_operation
PostAddField = get_post_add_field_operation
PreRemoveField = get_pre_remove_field_operation
