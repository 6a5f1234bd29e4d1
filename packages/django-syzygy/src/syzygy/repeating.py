"""Schema editors whose work may have been begun before."""

from typing import Any

__all__ = ("RepeatableDrops",)


class RepeatableDrops:
    """Mixin for a schema editor whose statements are committed one by one.

    Django looks for what it drops, and takes it for an error that an earlier run has dropped it.
    """

    collect_sql: bool

    def _delete_composed_index(self, model: Any, fields: Any, constraint_kwargs: dict[str, Any], sql: str) -> None:
        if self.collect_sql or self._may_have_index(model, fields, constraint_kwargs):
            super()._delete_composed_index(model, fields, constraint_kwargs, sql)  # type: ignore[misc]

    def _may_have_index(self, model: Any, fields: Any, constraint_kwargs: dict[str, Any]) -> bool:
        columns = [model._meta.get_field(name).column for name in fields]
        others = {part.name for part in (*model._meta.constraints, *model._meta.indexes)}
        found = self._constraint_names(model, columns, exclude=others, **constraint_kwargs)  # type: ignore[attr-defined]
        return bool(found)
