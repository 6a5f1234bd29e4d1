"""What goes wrong: problems with settings, and secrets that were about to be misused."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Problem:
    """One thing to mend: the setting it belongs to and a sentence that says what to do.

    Neither part ever holds a secret's value.
    """

    __slots__ = ("message", "setting")

    def __init__(self, setting: str, message: str) -> None:
        self.setting = setting
        self.message = message

    def __str__(self) -> str:
        return f"{self.setting}: {self.message}"

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class ConfigError(ValueError):
    """Settings that cannot be used. `problems` lists every one that was found, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        return f"{len(self.problems)} settings need attention:{lines}"


class SecretMisuse(TypeError):  # noqa: N818  the name is the field's: it is a misuse, reported as a TypeError
    """A secret, or the marker that stands for one, was about to be used in a way that would expose it."""


def warn(message: str) -> None:
    """Say in the log what does not stop the process."""
    from logging import getLogger

    getLogger("pentad_config").warning("%s", message)
