"""Django's operations with a stage of their own."""

from typing import Any, Self

from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation
from django.db.models import Field
from django.utils.functional import cached_property

from syzygy.constants import Stage
from syzygy.stages import parse_stage

__all__ = ("AlterField", "LocalFieldOperation", "RenameField", "RenameModel", "StagedOperation")


class StagedOperation(Operation):
    """Mixin: an operation that carries the `stage` it belongs to, also through a migration file."""

    stage: Stage

    def __init__(self, *args: Any, stage: Stage, **kwargs: Any) -> None:
        self.stage = parse_stage(stage, f"{type(self).__name__}.stage")
        super().__init__(*args, **kwargs)

    @classmethod
    def for_stage(cls, operation: Operation, stage: Stage) -> Self:
        """Return the staged twin of one of Django's operations."""
        _, args, kwargs = operation.deconstruct()
        return cls(*args, **kwargs, stage=stage)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Django's deconstruction with the stage added."""
        name, args, kwargs = super().deconstruct()
        return name, list(args), {**kwargs, "stage": self.stage}


class LocalFieldOperation(FieldOperation):
    """Base class: an operation on one field, which has nothing to do with the fields of other models."""

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        """Tell whether it is the field; Django takes an operation that holds no field for one that may point to any."""
        del app_label
        return (model_name.lower(), name.lower()) == (self.model_name_lower, self.name_lower)


# Each __init__ spells its arguments out because the migration writer reads them from the signature, and each class
# says it lives in `syzygy.operations` because that is what the writer imports.


class RenameField(StagedOperation, operations.RenameField):
    """Rename a column in the given stage."""

    __module__ = "syzygy.operations"

    def __init__(self, model_name: str, old_name: str, new_name: str, stage: Stage) -> None:
        super().__init__(model_name, old_name, new_name, stage=stage)


class RenameModel(StagedOperation, operations.RenameModel):
    """Rename a table in the given stage."""

    __module__ = "syzygy.operations"

    def __init__(self, old_name: str, new_name: str, stage: Stage) -> None:
        super().__init__(old_name, new_name, stage=stage)


class AlterField(StagedOperation, operations.AlterField):
    """Alter a column in the given stage.

    `migration_name_fragment` and `description` may be set on an instance, to say what the alteration is for.
    """

    __module__ = "syzygy.operations"

    description: str | None = None

    def __init__(
        self, model_name: str, name: str, field: "Field[Any, Any]", stage: Stage, preserve_default: bool = True
    ) -> None:
        super().__init__(model_name, name, field, preserve_default=preserve_default, stage=stage)

    @cached_property
    def migration_name_fragment(self) -> str:
        """The operation's part in the name of a generated file."""
        return f"alter_{self.model_name_lower}_{self.name_lower}"

    def describe(self) -> str:
        """One line for `migrate --plan` and for the header of a generated file."""
        return self.description or super().describe()
