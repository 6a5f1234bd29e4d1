"""Command lines read as glibc's getopt_long reads them, with its messages."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

__all__ = ["Flag", "Parsed", "UsageError", "parse"]


@dataclasses.dataclass(frozen=True)
class Flag:
    """One option. `value` is "no", "required" or "optional"."""

    name: str
    short: str = ""
    value: str = "required"


class UsageError(Exception):
    """A command line getopt refuses; `lines` is what the program prints about it."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(lines[0])
        self.lines = list(lines)


@dataclasses.dataclass
class Parsed:
    """Options in the order given, and what is left."""

    options: list[tuple[str, str]]
    rest: list[str]

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.options)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value given last."""
        for key, value in reversed(self.options):
            if key == name:
                return value
        return default

    def flag(self, *names: str) -> bool:
        """Whether one of these was given."""
        return any(name in self for name in names)


def parse(flags: Iterable[Flag], argv: Sequence[str], *, permute: bool = True) -> Parsed:
    """Split a command line into options and the rest.

    With `permute` options may follow other arguments; without, the first other argument ends them (sbatch's script).
    """
    return _Reader(tuple(flags), list(argv), permute).read()


class _Reader:
    def __init__(self, flags: tuple[Flag, ...], argv: list[str], permute: bool) -> None:
        self._long = {flag.name: flag for flag in flags}
        self._short = {flag.short: flag for flag in flags if flag.short}
        self._argv = argv
        self._permute = permute
        self._options: list[tuple[str, str]] = []
        self._rest: list[str] = []

    def read(self) -> Parsed:
        while self._argv:
            word = self._argv.pop(0)
            if word == "--":
                break
            if word.startswith("--"):
                self._read_long(word[2:])
            elif word.startswith("-") and word != "-":
                self._read_short(word[1:])
            else:
                self._rest.append(word)
                if not self._permute:
                    break
        return Parsed(self._options, self._rest + self._argv)

    def _read_long(self, word: str) -> None:
        name, equals, value = word.partition("=")
        flag = self._find(name)
        if flag.value == "no" and equals:
            raise UsageError([f"option '--{flag.name}' doesn't allow an argument"])
        if flag.value == "required" and not equals:
            value = self._following(f"option '--{flag.name}' requires an argument")
        self._options.append((flag.name, value))

    def _find(self, name: str) -> Flag:
        if name in self._long:
            return self._long[name]
        matches = [flag for key, flag in self._long.items() if key.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise UsageError([f"unrecognized option '--{name}'"])
        choices = " ".join(f"'--{flag.name}'" for flag in matches)
        raise UsageError([f"option '--{name}' is ambiguous; possibilities: {choices}"])

    def _read_short(self, letters: str) -> None:
        while letters:
            letter, letters = letters[0], letters[1:]
            flag = self._short.get(letter)
            if flag is None:
                raise UsageError([f"invalid option -- '{letter}'"])
            if flag.value == "no":
                self._options.append((flag.name, ""))
                continue
            value = letters
            if not value and flag.value == "required":
                value = self._following(f"option requires an argument -- '{letter}'")
            self._options.append((flag.name, value))
            return

    def _following(self, complaint: str) -> str:
        if not self._argv:
            raise UsageError([complaint])
        return self._argv.pop(0)
