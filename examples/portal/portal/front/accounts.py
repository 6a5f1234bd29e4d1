"""The portal's accounts: a file of names, roles and password hashes."""

import hashlib
import hmac
import json
import secrets
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from pentad_config import Secret
from portal.identity import Visitor
from portal.private_files import write_private

# 16 MiB and about 50 ms a guess on one core (RFC 7914 names these parameters for interactive sign-in).
_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}


@dataclass(frozen=True, slots=True)
class Account:
    """One person: sign-in name, name to show, role, and the scrypt hash of the password."""

    name: str
    display: str
    role: str
    password_hash: str

    @property
    def visitor(self) -> Visitor:
        """This person as the other parts see them."""
        return Visitor(self.name, self.display, self.role)


class Accounts:
    """Accounts kept in one JSON file, readable by its owner only.

    The file is read at each sign-in: an account added while the portal runs is valid at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> dict[str, Account]:
        """Every account by its name; empty before the first is added."""
        if not self._path.exists():
            return {}
        rows = json.loads(self._path.read_text(encoding="utf-8"))
        return {row["name"]: Account(**row) for row in rows}

    def set_password(self, name: str, display: str, role: str) -> Secret:
        """Add an account, or give an existing one a new password; returns that password."""
        password = secrets.token_urlsafe(12)
        account = Account(name, display, role, hash_password(password))
        self._write(self.all() | {name: account})
        return Secret(password, name=f"password of {name}")

    def remove(self, name: str) -> None:
        """Take an account away; unknown names are fine."""
        self._write({key: account for key, account in self.all().items() if key != name})

    def check(self, name: str, password: str) -> Account | None:
        """The account that name and password open; None if they open none.

        An unknown name costs as much time as a wrong password, so that names cannot be found by the clock.
        """
        account = self.all().get(name)
        matches = verify_password(password, account.password_hash if account else _NOBODY)
        return replace(account) if account is not None and matches else None

    def _write(self, accounts: dict[str, Account]) -> None:
        write_private(self._path, json.dumps([asdict(account) for account in accounts.values()], indent=1))


def hash_password(password: str) -> str:
    """`scrypt$salt$digest`, both in base64, with a fresh salt."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT)
    return f"scrypt${b64encode(salt).decode()}${b64encode(digest).decode()}"


def verify_password(password: str, stored: str) -> bool:
    """Whether this password made that hash, compared in constant time."""
    _, salt, digest = stored.split("$")
    attempt = hashlib.scrypt(password.encode(), salt=b64decode(salt), **_SCRYPT)
    return hmac.compare_digest(attempt, b64decode(digest))


_NOBODY: Final = hash_password(secrets.token_urlsafe(12))
