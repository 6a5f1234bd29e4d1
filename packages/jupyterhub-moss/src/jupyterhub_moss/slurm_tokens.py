"""With what slurmrestd is asked: JSON Web Tokens as Slurm's auth/jwt reads them."""

import base64
import hashlib
import hmac
import json
import re
import time
from typing import NamedTuple

from jupyterhub_moss.account import own_account
from pentad_config import ConfigError, Problem, Secret

#: Seconds for which a token that the hub signs is valid: one request, and clocks that differ a little.
LIFESPAN = 300
# what may stand in a header; Slurm's own names are narrower
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+\\-]*\$?")
_TOKEN = re.compile(r"[A-Za-z0-9_=-]+(?:\.[A-Za-z0-9_=-]+){2}")


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed_token(key: bytes, account: str, *, now: float, lifespan: int = LIFESPAN) -> str:
    """A token for `account`, signed with the key of Slurm's ``jwt_key`` (HS256)."""
    header = {"alg": "HS256", "typ": "JWT"}
    claims = {"iat": int(now), "exp": int(now) + lifespan, "sun": account}
    parts = [_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims)]
    signature = hmac.new(key, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, _encoded(signature)]).decode()


def account_of(token: str) -> str:
    """The account that a token was made for; empty if it does not say."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims.get("sun") or claims.get("username") or "")
    except (IndexError, ValueError, AttributeError):
        return ""


class Credentials(NamedTuple):
    """What the hub was given: a token, or the key with which it signs one for each request; both None for neither."""

    token: Secret | None = None
    key: Secret | None = None

    def headers(self, account: str | None) -> dict[str, str]:
        """The headers of a request in the name of `account`, of the hub itself if None.

        A secret in a file is read again when the file has changed. Raises `ConfigError`, without the value.
        """
        if account is not None and not _ACCOUNT.fullmatch(account):
            raise ConfigError([Problem("slurm_rest_user", f"{account!r} cannot be the name of an account.")])
        if self.key is not None:
            name = account or own_account()
            return _headers(name, signed_token(self.key.data(), name, now=time.time()))
        if self.token is None:
            return {}
        token = self.token.text()
        if not _TOKEN.fullmatch(token):
            del token  # a traceback with local variables would show it
            raise ConfigError([Problem("slurm_token", "is no JSON Web Token; make one with `scontrol token`.")])
        return _headers(account or account_of(token), token)


def _headers(account: str, token: str) -> dict[str, str]:
    named = {"X-SLURM-USER-NAME": account} if account else {}
    return {**named, "X-SLURM-USER-TOKEN": token}
