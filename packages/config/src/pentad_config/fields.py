"""What a settings class declares (`Field`) and what became of it (`Explained`)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

#: Stands for "no default": the setting is required.
REQUIRED: Any = type("_Required", (), {"__repr__": lambda self: "<required>", "__slots__": ()})()  # noqa: ARG005


class Field:
    """One declared setting: its name, type, environment variable, default and documentation."""

    __slots__ = (
        "aliases",
        "choices",
        "convert",
        "default",
        "doc",
        "env",
        "holds",
        "kind",
        "name",
        "optional",
        "parse",
        "secret",
        "variables",
    )

    def __init__(
        self,
        default: Any,
        doc: str,
        env: str | None,
        aliases: Sequence[str],
        choices: Sequence[Any] | None,
        parse: Callable[[str], Any] | None,
        secret: bool | None,
    ) -> None:
        self.default = default
        self.doc = doc
        self.env = env or ""
        self.aliases = tuple(aliases)
        self.choices = tuple(choices) if choices is not None else None
        self.parse = parse
        self.secret = bool(secret)
        self.name = ""
        self.kind: Any = str
        #: `Secret` or `KeyRing` if the setting is one, also an optional one; else None.
        self.holds: type | None = None
        self.optional = False
        #: Turns what was found into the declared type; set when the class's annotations are resolved.
        self.convert: Callable[[Any, str], Any] = lambda value, name: value  # noqa: ARG005
        #: The variables that are looked at, each with the one that names a file instead.
        self.variables: tuple[tuple[str, str], ...] = ()

    def resolve(
        self, name: str, kind: Any, convert: Callable[[Any, str], Any], *, holds: type | None, optional: bool
    ) -> None:
        """Complete the declaration with what the class's annotations say."""
        self.name, self.kind, self.convert = name, kind, convert
        self.holds, self.optional = holds, optional
        self.secret = self.secret or holds is not None
        self.variables = tuple((variable, f"{variable}_FILE") for variable in (self.env, *self.aliases))

    def __get__(self, instance: Any, owner: type) -> Any:
        """Return the loaded value: it is kept where `vars()` of the settings does not show it."""
        return self if instance is None else instance._values[self.name].content  # noqa: SLF001

    @property
    def required(self) -> bool:
        """Whether loading fails when no source has a value."""
        return self.default is REQUIRED

    @property
    def type_name(self) -> str:
        """The declared type as a reader would write it."""
        plain = isinstance(self.kind, type) and not hasattr(self.kind, "__origin__")
        return self.kind.__name__ if plain else str(self.kind).replace("typing.", "")

    def __repr__(self) -> str:
        return f"<Field {self.name}: {self.type_name}>"


class Explained:
    """One setting as loaded: its shown value, where it came from, and what was set but not used."""

    __slots__ = ("age", "doc", "name", "notes", "shadowed", "source", "value")

    def __init__(
        self, name: str, value: str, source: str, shadowed: tuple[str, ...], age: float | None, doc: str
    ) -> None:
        self.name = name
        self.value = value
        self.source = source
        self.shadowed = shadowed
        self.age = age
        self.doc = doc

    def __repr__(self) -> str:
        return f"<Explained {self.name} = {self.value} from {self.source}>"


def setting(
    default: Any = REQUIRED,
    *,
    doc: str,
    env: str | None = None,
    aliases: Sequence[str] = (),
    choices: Sequence[Any] | None = None,
    parse: Callable[[str], Any] | None = None,
    secret: bool | None = None,
) -> Any:
    """Declare a setting of a `Settings` class.

    `default` makes it optional; a function without arguments is called for each load. `doc` is one sentence
    for the table of settings. `env` replaces the variable's name, which otherwise is the class's prefix and
    the setting's name in capitals; `aliases` are older names that still work. `choices` limits the values,
    `parse` turns text into the value, `secret` hides a value whose type is not `Secret`.
    """
    return Field(default, doc, env, aliases, choices, parse, secret)
