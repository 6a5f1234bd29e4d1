"""Credentials that are made for a server and kept beside its data, in files that only their owner may read."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from pentad_config import Secret

__all__ = ["KeyPair", "kept_secret", "login", "write_private"]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read: whole or, when this process is killed, not at all."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def kept_secret(path: Path) -> Secret:
    """The secret that this file keeps, made on first use."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24) + "\n")
    # Not by reference to the file: a temporary one goes with its server, which may be asked for its address later.
    return Secret(path.read_text(encoding="utf-8").strip(), name=path.name)


@dataclass(frozen=True)
class KeyPair:
    """An access key and its secret key, as S3 servers know them."""

    access: Secret
    secret: Secret

    @classmethod
    def kept(cls, folder: Path, name: str) -> Self:
        """The pair of this name that the folder keeps."""
        return cls(kept_secret(folder / f"{name}-access-key"), kept_secret(folder / f"{name}-secret-key"))

    @classmethod
    def made(cls) -> Self:
        """A fresh pair that is kept nowhere."""
        return cls.of(secrets.token_hex(10).upper(), secrets.token_urlsafe(30))

    @classmethod
    def of(cls, access: str, secret: str) -> Self:
        """The pair with these values."""
        return cls(Secret(access, name="S3 access key"), Secret(secret, name="S3 secret key"))

    def revealed(self) -> tuple[str, str]:
        """The two values."""
        return self.access.text(), self.secret.text()


def login(password: Secret, user: str = "") -> str:
    """``user:password@`` for an address, quoted; nothing for an empty password."""
    value = quote(password.data(), safe="")
    return f"{user}:{value}@" if value else ""
