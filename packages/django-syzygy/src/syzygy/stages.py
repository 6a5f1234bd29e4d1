"""Reading a stage from what people write: the enum, its value or its name."""

from typing import Any

from .constants import Stage
from .exceptions import InvalidStage
from .spelling import suggestion

__all__ = ("parse_stage",)

_BY_TEXT = {
    **{stage.value: stage for stage in Stage},
    **{stage.name.lower(): stage for stage in Stage},
}


def parse_stage(value: Any, source: str) -> Stage:
    """Return the `Stage` that `value` stands for; `source` says in the error where it was written.

    Accepted are the enum itself, its value (`"pre_deploy"`, `"post_deployment"`) and its name in any case.
    """
    if isinstance(value, Stage):
        return value
    stage = _BY_TEXT.get(value.lower()) if isinstance(value, str) else None
    if stage is None:
        hint = suggestion(value.lower(), _BY_TEXT) if isinstance(value, str) else ""
        raise InvalidStage(
            f"{source} is {value!r}, which is not a deployment stage. "
            f"{hint or 'Use syzygy.Stage.PRE_DEPLOY or syzygy.Stage.POST_DEPLOY.'}"
        )
    return stage
