"""What is signed: the permit in a page, which says what may be uploaded, and the token of one upload.

Both can be read by whoever has them and hold no credentials. A signature is of no use for the other kind.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

from django.core import signing

__all__ = ["ExpiredError", "Permit", "Token"]


class ExpiredError(signing.BadSignature):
    """A genuine permit or token is older than it may be."""


@dataclass(frozen=True, kw_only=True)
class _Signed:
    """Fields with a signature; `expires` is in seconds since 1970."""

    salt: ClassVar[str]
    expires: int

    def sign(self) -> str:
        """Return it as text for an URL, an attribute or a form."""
        return signing.dumps(asdict(self), salt=self.salt, compress=True)

    @classmethod
    def of(cls, text: object) -> Self:
        """Return what was signed. Raises ExpiredError, or BadSignature if it is not ours or was changed."""
        if not isinstance(text, str):
            raise signing.BadSignature("A signed text is needed.")
        fields = signing.loads(text, salt=cls.salt)
        try:
            signed = cls(**fields)
        except TypeError as error:  # of another release, with other fields
            raise signing.BadSignature("The signed text is of another release.") from error
        if time.time() > signed.expires:
            raise ExpiredError("It is too old.")
        return signed


@dataclass(frozen=True, kw_only=True)
class Permit(_Signed):
    """What the visitor of a page may upload into a form's field."""

    salt: ClassVar[str] = "django_minio_backend.uploads.permit"
    field: str
    """The form's class and the field's name."""
    visitor: str
    storage: str
    """The alias in STORAGES of the storage that receives the file."""
    max_size: int
    content_types: list[str]
    allow_empty: bool
    lifetime: int
    """For how many seconds a token made by this permit is valid."""


@dataclass(frozen=True, kw_only=True)
class Token(_Signed):
    """One upload: to which place, by whom, for which field, and what it must be like."""

    salt: ClassVar[str] = "django_minio_backend.uploads.token"
    field: str
    owner: str
    storage: str
    key: str
    name: str
    size: int
    content_type: str
    upload_id: str = ""
    """Empty where the file is sent in one piece."""
    part_size: int = 0
