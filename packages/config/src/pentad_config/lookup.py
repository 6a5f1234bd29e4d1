"""Find the value of each setting among its sources, and names that nobody asked for."""

from __future__ import annotations

import os

from pentad_config.errors import ConfigError, Problem
from pentad_config.fields import REQUIRED, Field
from pentad_config.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class Value:
    """What was found for a setting: the content, the source it came from and the sources it hides."""

    __slots__ = ("content", "is_default", "shadowed", "source")

    def __init__(self, content: Any, source: str, shadowed: tuple[str, ...] = (), *, is_default: bool = False) -> None:
        self.content = content
        self.source = source
        self.shadowed = shadowed
        self.is_default = is_default


class _File:
    """A file that may hold a setting's value; read only if no source of higher rank has one."""

    __slots__ = ("path", "variable")

    def __init__(self, path: str, variable: str = "") -> None:
        self.path = path
        self.variable = variable

    def __str__(self) -> str:
        return f"file {self.path} ({self.variable})" if self.variable else f"file {self.path}"

    def content(self, field: Field) -> Any:
        """Return a Secret that follows the file, or the text of a setting that is none."""
        if not self.path:
            raise ConfigError([Problem(field.name, f"env {self.variable} is empty. Set it, or unset it.")])
        secret = Secret.at(f"file:{self.path}", name=field.name)
        try:
            text = secret.reveal()
        except ConfigError as error:
            raise ConfigError(self._named(problem) for problem in error.problems) from None
        return secret if field.holds else text

    def _named(self, problem: Problem) -> Problem:
        named = f"{self.path} (named by {self.variable})" if self.variable else self.path
        return Problem(problem.setting, named + problem.message.removeprefix(self.path))


class Lookup:
    """The sources of one `load`, in order of rank."""

    def __init__(
        self,
        given: Mapping[str, Any],
        mappings: Iterable[Mapping[str, Any]],
        environ: Mapping[str, str],
        credentials: Iterable[str | os.PathLike[str]],
    ) -> None:
        self.given = given
        self.mappings = tuple(mappings)
        self.environ = environ
        systemd = environ.get("CREDENTIALS_DIRECTORY")
        self.folders = [*([systemd] if systemd else []), *(os.fspath(folder) for folder in credentials)]

    def find(self, field: Field) -> Value:
        """Return the highest-ranking value. Raises ConfigError if a required setting has none."""
        found = [*self._from_arguments(field), *self._from_environment(field), *self._from_folders(field)]
        if found:
            content, source = found[0]
            hidden = tuple([source for _, source in found[1:]])
            return Value(content.content(field) if isinstance(content, _File) else content, source, hidden)
        if field.default is REQUIRED:
            raise ConfigError([Problem(field.name, _how_to_set(field))])
        default = field.default() if callable(field.default) else field.default
        return Value(default, "default", is_default=True)

    def _from_arguments(self, field: Field) -> list[tuple[Any, str]]:
        found = [(self.given[field.name], "argument")] if field.name in self.given else []
        for mapping in self.mappings:
            names = [name for name in (field.name, field.env, *field.aliases) if name in mapping]
            found += [(mapping[name], f"setting {name}") for name in names[:1]]
        return found

    def _from_environment(self, field: Field) -> list[tuple[Any, str]]:
        found: list[tuple[Any, str]] = []
        for name, file in field.variables:
            if name in self.environ:
                if file in self.environ:
                    raise ConfigError([Problem(field.name, f"both {name} and {file} are set. Unset one.")])
                found.append((self._variable(field, name), f"env {name}"))
            elif file in self.environ:
                named = _File(self.environ[file], file)
                found.append((named, str(named)))
        return found

    def _variable(self, field: Field, name: str) -> Any:
        text = self.environ[name]
        if field.holds is None or (field.optional and not text):
            return text
        if not text:
            raise ConfigError([Problem(field.name, f"env {name} is empty. Set it, or unset it.")])
        follows = self.environ is os.environ and not text.startswith(("env:", "file:", "literal:"))
        return Secret.at(f"env:{name}" if follows else text, name=field.name)

    def _from_folders(self, field: Field) -> list[tuple[Any, str]]:
        if not self.folders:
            return []
        paths = [os.path.join(folder, field.env.lower()) for folder in self.folders]
        return [(_File(path), f"file {path}") for path in paths if os.path.exists(path)]

    def unknown_given(self, fields: Iterable[Field]) -> list[Problem]:
        """Return a problem for each keyword argument that is no setting."""
        names = [field.name for field in fields]
        return [_unknown(name, names) for name in self.given if name not in names]

    def misspelt(self, fields: Iterable[Field], prefix: str) -> list[Problem]:
        """Return a problem for each variable, or name in a mapping, that looks like a misspelt setting."""
        known = [name for field in fields for name in (field.env, *field.aliases)]
        allowed = {*known, *(f"{name}_FILE" for name in known)}
        names: dict[Any, None] = dict.fromkeys(name for mapping in (*self.mappings, self.environ) for name in mapping)
        texts = [name for name in names if isinstance(name, str)]
        strays = [name for name in texts if prefix and name.startswith(prefix) and name not in allowed]
        return [_unknown(name, sorted(allowed)) for name in strays if _closest(name, allowed)]


def _how_to_set(field: Field) -> str:
    return (
        f"missing. Set {field.env}, or {field.env}_FILE to a file, "
        f"or put a file {field.env.lower()} in the credentials directory."
    )


def _unknown(name: str, known: list[str]) -> Problem:
    close = _closest(name, known)
    return Problem(name, f"unknown setting. Did you mean {close}?" if close else "unknown setting.")


def _closest(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(known), 1, 0.8)), None)
