"""The `MIGRATION_*` settings, parsed as one typed whole.

They come from Django's settings alone: an environment variable that happens to have such a name changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Self

from django.conf import global_settings, settings

from pentad_config import ConfigError, Problem, Settings, setting

from .constants import Stage
from .exceptions import InvalidStage
from .stages import parse_stage

__all__ = ("MigrationSettings", "QuorumDeclaration", "as_sentence")

_PREFIX = "MIGRATION_"
_OVERRIDE = f"{_PREFIX}STAGES_OVERRIDE"
_FALLBACK = f"{_PREFIX}STAGES_FALLBACK"
_THIRD_PARTY = f"{_PREFIX}THIRD_PARTY_STAGES_FALLBACK"
_QUORUM = f"{_PREFIX}QUORUM_BACKEND"
_KNOWN_VENDORS = ("postgresql", "sqlite", "mysql", "oracle")


class _Options(Mapping[str, Any]):
    """The keyword arguments of a quorum backend, shown by name only: any of them may hold a password."""

    def __init__(self, options: dict[str, Any]) -> None:
        # Behind a function, so that neither vars() nor a traceback with local variables shows a value.
        self._reveal: Callable[[], dict[str, Any]] = lambda: options

    def __getitem__(self, name: str) -> Any:
        return self._reveal()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reveal())

    def __len__(self) -> int:
        return len(self._reveal())

    def __repr__(self) -> str:
        return f"<options {', '.join(self) or 'none'}>"


class QuorumDeclaration:
    """Which quorum backend was declared, and with which options."""

    def __init__(self, path: str, options: Mapping[str, Any]) -> None:
        self.path = path
        self.options = _Options(dict(options))

    @classmethod
    def parse(cls, declared: Any) -> Self | None:
        """Read an import path, or a dictionary of a path and options. Raises `ConfigError`, naming no value."""
        if declared is None:
            return None
        if isinstance(declared, str):
            return cls(declared, {})
        path = declared.get("backend") if isinstance(declared, dict) else None
        if isinstance(path, str):
            return cls(path, {name: value for name, value in declared.items() if name != "backend"})
        del declared  # a traceback with local variables would show its options
        raise ConfigError(
            [
                _problem(
                    _QUORUM,
                    "must be the import path of a backend, or a dictionary with that path under 'backend' and the "
                    "backend's options beside it.",
                )
            ]
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuorumDeclaration):
            return NotImplemented
        return (self.path, dict(self.options)) == (other.path, dict(other.options))

    __hash__ = None  # type: ignore[assignment]  # options need not be hashable

    def __repr__(self) -> str:
        return f"<{self.path} with {self.options!r}>"


def _problem(where: str, what: str) -> Problem:
    return Problem(where, f"{where} {what}")


def _stages(name: str, declared: Any) -> dict[str, Stage]:
    if not declared:
        return {}
    if not isinstance(declared, dict):
        raise ConfigError([_problem(name, "must be a dictionary of app labels or migration names to stages.")])
    stages: dict[str, Stage] = {}
    problems: list[Problem] = []
    for key, value in declared.items():
        if not isinstance(key, str):
            problems.append(_problem(name, f"has the key {key!r}; keys are 'app_label' or 'app_label.migration'."))
            continue
        try:
            stages[key] = parse_stage(value, f"{name}[{key!r}]")
        except InvalidStage as error:
            problems.append(Problem(name, str(error)))
    if problems:
        raise ConfigError(problems)
    return stages


def _third_party_stage(declared: Any) -> Stage | None:
    if not declared:
        return None
    try:
        return parse_stage(declared, _THIRD_PARTY)
    except InvalidStage as error:
        raise ConfigError([Problem(_THIRD_PARTY, str(error))]) from None


def _number(name: str, whole: bool, declared: Any) -> Any:
    """Return a number that is not negative. Raises `ConfigError`."""
    kinds = int if whole else (int, float)
    if isinstance(declared, bool) or not isinstance(declared, kinds) or declared < 0:
        wanted = "a whole number" if whole else "a number of seconds"
        raise ConfigError([_problem(name, f"is {declared!r}; it must be {wanted}, not below 0.")])
    return declared


def _seconds(name: str, declared: Any) -> float:
    return float(_number(name, False, 0 if declared is None else declared))


def _vendors(name: str, declared: Any) -> tuple[str, ...] | None:
    if declared is None:
        return None
    if not isinstance(declared, (list, tuple, set, frozenset)) or not declared:
        raise ConfigError([_problem(name, f"is {declared!r}; it must be a list such as ['postgresql'], or None.")])
    if unknown := sorted(repr(vendor) for vendor in declared if vendor not in _KNOWN_VENDORS):
        known = ", ".join(_KNOWN_VENDORS)
        raise ConfigError([_problem(name, f"names {', '.join(unknown)}; the vendors that are known are {known}.")])
    return tuple(declared)


def as_sentence(problem: Problem) -> str:
    """Return a problem as a sentence that begins with the setting's name."""
    return problem.message if problem.message.startswith(_PREFIX) else str(problem)


class MigrationSettings(Settings, prefix=_PREFIX):
    """Everything that a project can set, read from its settings by `current()`."""

    stages_override: dict[str, Stage] = setting(
        dict,
        parse=partial(_stages, _OVERRIDE),
        doc="App labels or migrations (app_label.name) and the stage they have, whatever their operations.",
    )
    stages_fallback: dict[str, Stage] = setting(
        dict,
        parse=partial(_stages, _FALLBACK),
        doc="The same for migrations whose operations belong to both stages.",
    )
    third_party_stages_fallback: Stage | None = setting(
        Stage.PRE_DEPLOY,
        parse=_third_party_stage,
        doc="The fallback of every installed app that is not the project's own; None for none.",
    )
    quorum_backend: QuorumDeclaration | None = setting(
        None,
        parse=QuorumDeclaration.parse,
        doc="Where the processes of `migrate --quorum` meet: an import path, or a dictionary with options.",
    )

    database_vendors: tuple[str, ...] | None = setting(
        None,
        parse=partial(_vendors, f"{_PREFIX}DATABASE_VENDORS"),
        doc="The vendors of the databases that makemigrations writes for; None for those of DATABASES.",
    )
    lock_timeout: float = setting(
        0.8,
        parse=partial(_seconds, f"{_PREFIX}LOCK_TIMEOUT"),
        doc="Seconds that a statement waits for a lock which blocks queries, on PostgreSQL and, rounded up, on MySQL "
        "and MariaDB; None or 0 to wait for ever.",
    )
    lock_retries: int = setting(
        30,
        parse=partial(_number, f"{_PREFIX}LOCK_RETRIES", True),
        doc="How often such a statement, or the atomic migration it is part of, is tried again.",
    )
    lock_pause: float = setting(
        1.0,
        parse=partial(_seconds, f"{_PREFIX}LOCK_PAUSE"),
        doc="Seconds until it is tried again the first time; doubled each time up to sixteenfold, with jitter.",
    )

    @classmethod
    def current(cls) -> Self:
        """Read Django's settings. Raises `ConfigError` with everything that is wrong with them."""
        return cls.load(_declared(), environ={})


def _declared() -> dict[str, Any]:
    """The settings of our prefix, also misspelt ones; Django has settings of that prefix too."""
    names = [name for name in dir(settings) if name.startswith(_PREFIX) and not hasattr(global_settings, name)]
    return {name: getattr(settings, name) for name in names}
