"""`Secret`: a value that does not show itself and cannot silently become a signing key."""

from __future__ import annotations

from pentad_config.errors import ConfigError, Problem, SecretMisuse
from pentad_config.files import FileSource
from pentad_config.marker import Tripwire, marker, refuse_marker
from pentad_config.sources import CallableSource, EnvSource, LiteralSource, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Never, Self


class Secret:
    """Text or bytes that do not show themselves.

    `value` is the text, the bytes, or a callable that returns them and is asked at every use. `name` is what
    messages call it. Printing, formatting, JSON, `vars()` and tracebacks show `<Secret NAME: redacted>`;
    `reveal()` is the only door.
    """

    __slots__ = ("_limits", "_source", "name")

    __hash__ = None  # type: ignore[assignment]  # a hash would let a dictionary's order or timing tell values apart

    def __init__(self, value: str | bytes | Callable[[], str | bytes], *, name: str = "secret") -> None:
        self.name = name  # first: a report of the errors below prints the object
        if isinstance(value, (str, bytes)):
            self._source: Source = LiteralSource(value, name)
        elif callable(value):
            self._source = CallableSource(value, name)
        else:
            found = type(value).__name__
            del value  # a traceback with local variables would show it
            raise SecretMisuse(f"{name}: text, bytes or a callable is needed, not {found}.")
        self._limits: tuple[float, int, bool] = (1.0, 65536, False)

    @classmethod
    def at(
        cls, ref: str, *, name: str | None = None, ttl: float = 1.0, limit: int = 65536, binary: bool = False
    ) -> Self:
        """Return the secret that `ref` names: `env:VARIABLE`, `file:/path` or `literal:text`.

        Any other text is the value itself, as it is where a plain string has always been accepted. A file is
        looked at no more often than every `ttl` seconds and may hold up to `limit` bytes; `binary` gives
        bytes. Nothing is read before the first `reveal()`.
        """
        if not isinstance(ref, str):
            raise SecretMisuse(f"{name or 'secret'}: a reference is text, not {type(ref).__name__}.")
        kind, colon, rest = ref.partition(":")
        if colon and kind == "env":
            default = rest
            source: Source = EnvSource(rest, name or default, binary=binary)
        elif colon and kind == "file":
            default = rest.rpartition("/")[2]
            source = FileSource(rest, name or default, ttl=ttl, limit=limit, binary=binary)
        else:
            text = rest if colon and kind == "literal" else ref
            return cls(text.encode() if binary else text, name=name or "secret")
        secret = cls.__new__(cls)
        secret._source, secret._limits = source, (ttl, limit, binary)  # noqa: SLF001  a constructor of this class
        secret.name = name or default
        return secret

    @property
    def ref(self) -> str | None:
        """The reference that finds this secret again, or None for a literal or a callable."""
        return self._source.ref

    @property
    def age(self) -> float | None:
        """Seconds since a file was written; None for other sources or before the first use."""
        return self._source.age

    @property
    def problem(self) -> Exception | None:
        """Why the last good value is still served, or None if all is well."""
        return self._source.problem

    def reveal(self) -> str | bytes:
        """Return the value. Raises ConfigError if there is none and SecretMisuse if it is a marker."""
        return self._source.read()

    def text(self) -> str:
        """Return the value as text, decoding bytes as UTF-8. Raises ConfigError if they are something else."""
        return self._as(str, bytes.decode)  # type: ignore[no-any-return]

    def data(self) -> bytes:
        """Return the value as bytes, encoding text as UTF-8. Raises ConfigError if it cannot be encoded."""
        return self._as(bytes, str.encode)  # type: ignore[no-any-return]

    def _as(self, kind: type, convert: Callable[[Any], Any]) -> Any:
        value = self.reveal()
        if isinstance(value, kind):
            return value
        try:
            return convert(value)
        except UnicodeError:
            del value
        # Raised out here, as the error above holds the whole value.
        raise ConfigError([Problem(self.name, "is not UTF-8 text. Use reveal(), or store it as base64.")])

    def matches(self, other: object) -> bool:
        """Compare with a secret, text or bytes in constant time."""
        if not isinstance(other, (Secret, str, bytes)):
            return False
        from hmac import compare_digest

        return compare_digest(self.data(), other.data() if isinstance(other, Secret) else _as_bytes(other))

    def __eq__(self, other: object) -> bool:
        return self.matches(other) if isinstance(other, (Secret, str, bytes)) else NotImplemented

    def __str__(self) -> str:
        return Tripwire(marker(self.name))

    def __repr__(self) -> str:
        return marker(self.name)

    def __format__(self, spec: str) -> str:
        return format(Tripwire(marker(self.name)), spec)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __bytes__(self) -> Never:
        raise SecretMisuse(f"{marker(self.name)} was about to be used as bytes. Pass secret.reveal().")

    def __reduce__(self) -> tuple[Any, ...]:
        if self.ref is None:
            raise SecretMisuse(
                f"{marker(self.name)} holds a literal value and is not pickled. Give it as env: or file:."
            )
        return _restore, (type(self), self.ref, self.name, *self._limits)

    def __getstate__(self) -> Never:
        raise SecretMisuse(f"{marker(self.name)} shows no attributes. Pickle it by reference, as env: or file:.")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pentad_config.pydantic import secret_schema

        return secret_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "format": "password", "writeOnly": True}


def _restore(cls: type[Secret], ref: str, name: str, ttl: float, limit: int, binary: bool) -> Secret:
    return cls.at(ref, name=name, ttl=ttl, limit=limit, binary=binary)


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def reveal(value: object, *, name: str = "secret") -> str | bytes:
    """Return the text or bytes behind whatever a user may pass where a secret is wanted.

    Accepted are text, bytes, `Secret`, starlette's `Secret`, any object with `get_secret_value()` such as
    pydantic's `SecretStr`, and a callable that returns one of these. A marker in place of a value raises
    SecretMisuse, as does anything else; the message never holds the value.
    """
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, (str, bytes)):
        refuse_marker(value, name)
        return value
    if hasattr(value, "get_secret_value"):
        return reveal(value.get_secret_value(), name=name)
    if type(value).__module__ == "starlette.datastructures" and type(value).__name__ == "Secret":
        return reveal(str(value), name=name)
    if callable(value):
        return reveal(value(), name=name)
    found = type(value).__name__
    del value  # a traceback with local variables would show it
    raise SecretMisuse(f"{name}: text, bytes, a Secret or a callable is needed, not {found}.")
