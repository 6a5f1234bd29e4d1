"""`Settings`: a typed class whose values come from arguments, mappings, the environment and credential files."""

from __future__ import annotations

import os

from pentad_config.errors import ConfigError, Problem, SecretMisuse, warn
from pentad_config.fields import Explained, Field, setting
from pentad_config.keyring import KeyRing
from pentad_config.lookup import Lookup, Value
from pentad_config.parsing import NotParsable, converter, is_optional, secret_type
from pentad_config.redaction import without_passwords
from pentad_config.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Never, Self, dataclass_transform
else:

    def dataclass_transform(**_: object):  # noqa: ANN202
        return lambda cls: cls


__all__ = ["Settings", "setting"]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(setting,))
class Settings:
    """Base of a settings class: annotate attributes and give each a `setting(...)`.

    `class MinioSettings(Settings, prefix="MINIO_")` reads `endpoint` from `MINIO_ENDPOINT` or from the file
    named by `MINIO_ENDPOINT_FILE`. Instances are made by `load` and do not change; a `Secret` or `KeyRing`
    inside one follows its file.
    """

    _prefix = ""
    _fields: dict[str, Field] = {}  # noqa: RUF012  replaced for each subclass, never mutated
    _values: dict[str, Value]

    def __init_subclass__(cls, prefix: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if prefix is not None:
            cls._prefix = prefix
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        for name, field in own.items():
            field.name = name
            field.env = field.env or f"{cls._prefix}{name}".upper()
        _refuse_undeclared(cls, own)
        cls._fields = {}
        for parent in reversed(cls.__mro__[1:]):
            cls._fields.update(getattr(parent, "_fields", {}))
        cls._fields.update(own)
        cls._resolved = False

    _resolved = False

    @classmethod
    def describe(cls) -> list[Field]:
        """Return the declared settings in order, for tables, schemas and help."""
        if not cls._resolved:
            from typing import get_type_hints

            hints = get_type_hints(cls)
            for name, field in cls._fields.items():
                kind = hints.get(name, str)
                field.resolve(name, kind, converter(kind), holds=secret_type(kind), optional=is_optional(kind))
            cls._resolved = True
        return list(cls._fields.values())

    @classmethod
    def load(
        cls,
        *mappings: Mapping[str, Any],
        environ: Mapping[str, str] | None = None,
        credentials: Iterable[str | os.PathLike[str]] = (),
        strict: bool = True,
        **given: Any,
    ) -> Self:
        """Return the settings, or raise ConfigError with every problem at once.

        A setting is taken from, in this order: `given`; the `mappings` (by attribute name, variable name or
        alias); the environment variable or the file named by it with `_FILE`; a file of the variable's name
        in lower case in `$CREDENTIALS_DIRECTORY` or a folder of `credentials`; its default. `strict` reports
        misspelt names, of variables and in the mappings, that begin with the class's prefix.
        """
        lookup = Lookup(given, mappings, os.environ if environ is None else environ, credentials)
        del given, mappings, environ  # they may hold secrets, and a traceback with local variables would show them
        values, problems = cls._found(lookup)
        misspelt = lookup.misspelt(cls.describe(), cls._prefix)
        if not strict:
            for problem in misspelt:
                warn(str(problem))
        problems = [*lookup.unknown_given(cls.describe()), *(misspelt if strict else ()), *problems]
        if problems:
            raise ConfigError(problems)
        return cls._made(values)

    @classmethod
    def _found(cls, lookup: Lookup) -> tuple[dict[str, Value], list[Problem]]:
        values: dict[str, Value] = {}
        problems: list[Problem] = []
        for field in cls.describe():
            try:
                values[field.name] = _finished(field, lookup.find(field))
            except ConfigError as error:
                problems += error.problems
            except SecretMisuse as error:
                problems.append(Problem(field.name, str(error).removeprefix(f"{field.name}: ")))
        return values, problems

    @classmethod
    def _made(cls, values: dict[str, Value]) -> Self:
        self = object.__new__(cls)
        object.__setattr__(self, "_values", values)
        return self

    def explain(self) -> list[Explained]:
        """Return each setting with its shown value, its source and the sources it hides.

        Secrets are not shown, nor are the passwords of URLs.
        """
        return [self._explained(field) for field in type(self).describe()]

    def _explained(self, field: Field) -> Explained:
        value = self._values[field.name]
        content = value.content
        shown = repr(content) if isinstance(content, (Secret, KeyRing)) else without_passwords(str(content))
        if field.secret and not isinstance(content, (Secret, KeyRing)):
            shown = "<redacted>"
        age = next((secret.age for secret in secrets_of(content)), None)
        return Explained(field.name, shown, value.source, value.shadowed, age, field.doc)

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError(f"{type(self).__name__} does not change; load() it again to change {name}.")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        for field in type(self).describe():
            if field.secret and field.holds is None and self._values[field.name].content:
                where = f"{type(self).__name__}.{field.name}"
                raise SecretMisuse(f"{where} holds secret text and is not pickled. Declare it as a Secret.")
        return self.__dict__

    def __repr__(self) -> str:
        parts = ", ".join(f"{item.name}={item.value}" for item in self.explain())
        return f"{type(self).__name__}({parts})"


def secrets_of(content: object) -> tuple[Secret, ...]:
    """Return the secrets that a setting's value consists of."""
    if isinstance(content, KeyRing):
        return content._sources  # noqa: SLF001
    return (content,) if isinstance(content, Secret) else ()


def _refuse_undeclared(cls: type[Settings], own: Mapping[str, Field]) -> None:
    """Raise TypeError for an annotated attribute that would silently not be a setting, or replace a method."""
    for name in own:
        if hasattr(Settings, name):
            raise TypeError(f"{cls.__name__}.{name} would replace Settings.{name}. Give the setting another name.")
    for name, annotation in cls.__annotations__.items():
        if name not in own and not name.startswith("_") and "ClassVar" not in str(annotation):
            raise TypeError(
                f"{cls.__name__}.{name} is not a setting. Write {name}: ... = setting(doc=...), or make it a ClassVar."
            )


def _finished(field: Field, value: Value) -> Value:
    """Parse the raw value that was found and check it against the choices."""
    if value.is_default and (field.holds is None or value.content is None):
        return value
    try:
        content = field.parse(value.content) if field.parse else field.convert(value.content, field.name)
        if isinstance(content, Secret):
            content.reveal()  # a secret that cannot be read is a problem now, beside the others
    except NotParsable as error:
        raise ConfigError([Problem(field.name, f"{value.source} is {error}.")]) from None
    except ConfigError as error:
        raise ConfigError(Problem(field.name, problem.message) for problem in error.problems) from None
    except SecretMisuse:
        raise
    except Exception as error:  # noqa: BLE001  `parse` and a secret's callable may raise anything, with the value in it
        raise ConfigError([Problem(field.name, f"{value.source} is not usable ({type(error).__name__}).")]) from None
    _check_choice(field, content, value.source)
    return Value(content, value.source, value.shadowed, is_default=value.is_default)


def _check_choice(field: Field, content: Any, source: str) -> None:
    if field.choices is None or content in field.choices:
        return
    from difflib import get_close_matches

    hint = ""
    if not field.secret:
        close = get_close_matches(str(content), [str(choice) for choice in field.choices], 1)
        hint = f" Did you mean {close[0]}?" if close else ""
    allowed = ", ".join(str(choice) for choice in field.choices)
    raise ConfigError([Problem(field.name, f"{source} is not one of {allowed}.{hint}")])
