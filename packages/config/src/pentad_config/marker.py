"""The text that stands for a secret wherever one would be shown, and the checks that keep it from being used."""

from __future__ import annotations

from pentad_config.errors import SecretMisuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_START, _END = "<Secret ", ": redacted>"


def marker(name: str) -> str:
    """Return what is printed instead of the secret called `name`."""
    return f"{_START}{name}{_END}"


class Tripwire(str):
    """What `str(secret)` returns: it prints as the marker and refuses to become bytes.

    Libraries that sign or encrypt turn their key into bytes. Had `str(secret)` been an ordinary text, they
    would sign with a constant that anybody can read in this file.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return self  # str() of a subclass would otherwise be an ordinary text again

    def __format__(self, spec: str) -> str:
        return self if not spec else super().__format__(spec)

    # Signing code puts text around the key first: "AWS4" + key.
    def __add__(self, other: str) -> Tripwire:
        return Tripwire(super().__add__(other))

    def __radd__(self, other: str) -> Tripwire:
        return Tripwire(other.__add__(str.__str__(self)))

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:  # noqa: ARG002
        """Raise SecretMisuse."""
        raise SecretMisuse(f"{super().__str__()} was about to be used as bytes. Pass secret.reveal().")


def _kept(method: Callable[..., str]) -> Callable[..., Tripwire]:
    def kept(self: Tripwire, *args: Any) -> Tripwire:
        return Tripwire(method(self, *args))

    return kept


# Configuration code strips what it read and cuts or pads a key to the length that its cipher wants.
for _name in ("strip", "lstrip", "rstrip", "ljust", "rjust", "center", "zfill", "__getitem__", "__mul__", "__rmul__"):
    setattr(Tripwire, _name, _kept(getattr(str, _name)))


def refuse_marker(value: str | bytes, name: str) -> None:
    """Raise SecretMisuse if `value` is the shown form of a secret instead of a secret.

    Recognised are our own marker, also inside a longer text or cut from it, and the row of asterisks that pydantic,
    traitlets and others print.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else str.__str__(value)
    if isinstance(value, Tripwire) or (_START in text and _END in text) or (text and not text.strip("*")):
        raise SecretMisuse(
            f"{name}: this is a redaction marker, not a secret; str() was called on a Secret before it got here. "
            "Pass the Secret itself."
        )
