"""Migration operations that know their stage.

The classes are written into migration files as `syzygy.operations.<name>`. `AddField`, `PostAddField` and
`PreRemoveField` are functions: files generated on Django 4.2 call them by these names and still load.
"""

from .backfill import Backfill
from .field_defaults import (
    get_post_add_field_operation,
    get_pre_add_field_operation,
    get_pre_remove_field_operation,
)
from .foreign_keys import DropForeignKeys
from .model_renames import ContractRenameModel, ExpandRenameModel
from .online import (
    AddConstraintOnline,
    AddFieldOnline,
    AddIndexOnline,
    AlterFieldOnline,
    AlterUniqueTogetherOnline,
    OnlineOperation,
    RemoveIndexOnline,
)
from .per_row import FillField, SetDatabaseDefault
from .renames import ContractRenameField, ExpandRenameField
from .staged import AlterField, RenameField, RenameModel, StagedOperation

__all__ = (
    "AddConstraintOnline",
    "AddField",
    "AddFieldOnline",
    "AddIndexOnline",
    "AlterField",
    "AlterFieldOnline",
    "AlterUniqueTogetherOnline",
    "Backfill",
    "ContractRenameField",
    "ContractRenameModel",
    "DropForeignKeys",
    "ExpandRenameField",
    "ExpandRenameModel",
    "FillField",
    "OnlineOperation",
    "PostAddField",
    "PreRemoveField",
    "RemoveIndexOnline",
    "RenameField",
    "RenameModel",
    "SetDatabaseDefault",
    "StagedOperation",
    "get_post_add_field_operation",
    "get_pre_add_field_operation",
    "get_pre_remove_field_operation",
)

AddField = get_pre_add_field_operation
PostAddField = get_post_add_field_operation
PreRemoveField = get_pre_remove_field_operation
