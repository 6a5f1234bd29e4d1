"""AWS Signature Version 4 for the requests that the SDK cannot send: conditional, streamed, or presigned fast.

The day's signing key is derived once and kept; only what depends on the request is computed each time.
Reference: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API reference.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from pentad_config import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from minio.credentials.credentials import Credentials
    from minio.credentials.providers import Provider

__all__ = ["EMPTY_SHA256", "Signer", "canonical_query", "quote_path"]

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"
_needs_no_quoting = re.compile(r"[A-Za-z0-9\-_.~/]*").fullmatch


def quote_path(path: str) -> str:
    """Percent-encode an object's path as S3 signs it: everything but letters, digits, `-_.~` and `/`."""
    return path if _needs_no_quoting(path) else quote(path, safe="/" + _UNRESERVED)


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Encode and sort query parameters as the signature wants them."""
    encoded = ((quote(key, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for key, value in pairs)
    return "&".join(f"{key}={value}" for key, value in sorted(encoded))


class Signer:
    """Signs requests and links with whatever credentials the provider gives at that moment."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._kept: _DayKey | None = None
        self._head: _LinkHead | None = None

    def headers(
        self,
        credentials: Credentials,
        method: str,
        host: str,
        path: str,
        query: str,
        region: str,
        sha256: str,
        extra: Mapping[str, str],
    ) -> dict[str, str]:
        """Return `extra` with all that authenticates a request. `path` and `query` are already encoded."""
        stamp = _stamp(datetime.now(UTC))
        signed = {key.lower(): " ".join(value.split()) for key, value in extra.items()}
        signed |= {"host": host, "x-amz-content-sha256": sha256, "x-amz-date": stamp}
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        names = ";".join(sorted(signed))
        request = _canonical_request(method, path, query, signed, names, sha256)
        signature = self._signature(credentials, stamp, region, request)
        scope = f"{credentials.access_key}/{_scope(stamp, region)}"
        signed["authorization"] = f"{_ALGORITHM} Credential={scope}, SignedHeaders={names}, Signature={signature}"
        return signed

    def query(
        self, method: str, host: str, path: str, region: str, expires: int, extra: Iterable[tuple[str, str]] = ()
    ) -> str:
        """Return the query string of a link that is valid for `expires` seconds from now."""
        credentials = self._provider.retrieve()
        head = self._link_head(credentials, region, expires)
        query = head.query
        if more := canonical_query(extra):
            query = "&".join(sorted([*query.split("&"), *more.split("&")]))
        request = f"{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        return f"{query}&X-Amz-Signature={self._signature(credentials, head.stamp, region, request)}"

    def query_for_body(
        self, host: str, path: str, region: str, expires: int, extra: Iterable[tuple[str, str]], length: int
    ) -> str:
        """Return the query string of a link that takes, by PUT, a body of exactly `length` bytes."""
        credentials = self._provider.retrieve()
        stamp, names = _stamp(datetime.now(UTC)), "content-length;host"
        fields = _signing_fields(credentials.access_key, stamp, region, expires, names, credentials.session_token)
        query = canonical_query([*fields, *extra])
        headers = {"content-length": str(length), "host": host}
        request = _canonical_request("PUT", path, query, headers, names, "UNSIGNED-PAYLOAD")
        return f"{query}&X-Amz-Signature={self._signature(credentials, stamp, region, request)}"

    def _link_head(self, credentials: Credentials, region: str, expires: int) -> _LinkHead:
        """Return what the links of one second have in common."""
        origin = (int(time.time()), credentials.access_key, credentials.session_token, region, expires)
        head = self._head
        if head is None or head.origin != origin:
            head = self._head = _LinkHead.of(*origin)
        return head

    def fingerprint(self) -> str:
        """Return a value that changes with the credentials and does not show them."""
        credentials = self._provider.retrieve()
        return _hmac(credentials.secret_key.encode(), f"fingerprint {credentials.access_key}").hex()[:32]

    def _signature(self, credentials: Credentials, stamp: str, region: str, request: str) -> str:
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{stamp}\n{_scope(stamp, region)}\n{digest}"
        return _hmac(self._key(credentials, stamp[:8], region), text).hex()

    def _key(self, credentials: Credentials, day: str, region: str) -> bytes:
        kept = self._kept
        if kept is None or not kept.fits(credentials.secret_key, day, region):
            kept = self._kept = _DayKey(credentials.secret_key, day, region)
        return kept.reveal()


class _LinkHead(NamedTuple):
    """The part of a link's query that says who signs, when and for how long. It holds nothing secret."""

    origin: tuple[int, str, str | None, str, int]
    stamp: str
    query: str

    @classmethod
    def of(cls, moment: int, access_key: str, session_token: str | None, region: str, expires: int) -> _LinkHead:
        """Return the part for links that are signed at a moment, in seconds since 1970."""
        stamp = _stamp(datetime.fromtimestamp(moment, UTC))
        query = canonical_query(_signing_fields(access_key, stamp, region, expires, "host", session_token))
        return cls((moment, access_key, session_token, region, expires), stamp, query)


class _DayKey:
    """The signing key of one day and region. It signs whatever the secret key would, so it is as secret."""

    def __init__(self, secret_key: str, day: str, region: str) -> None:
        key = f"AWS4{secret_key}".encode()
        for part in (day, region, "s3", "aws4_request"):
            key = _hmac(key, part)
        self._scope = day, region
        self._origin = Secret(secret_key, name="MINIO_SECRET_KEY")
        self._key = Secret(key, name="the day's signing key")

    def fits(self, secret_key: str, day: str, region: str) -> bool:
        """Tell whether the key is of this day and region, and was made of this secret key."""
        return self._scope == (day, region) and self._origin.reveal() == secret_key

    def reveal(self) -> bytes:
        """Return the key."""
        return self._key.data()


def _canonical_request(method: str, path: str, query: str, headers: Mapping[str, str], names: str, sha256: str) -> str:
    lines = "".join(f"{name}:{headers[name]}\n" for name in names.split(";"))
    return f"{method}\n{path}\n{query}\n{lines}\n{names}\n{sha256}"


def _signing_fields(
    access_key: str, stamp: str, region: str, expires: int, names: str, session_token: str | None
) -> list[tuple[str, str]]:
    """Return the parameters of a link that say who signs what, when and for how long."""
    token = [("X-Amz-Security-Token", session_token)] if session_token else []
    return [
        ("X-Amz-Algorithm", _ALGORITHM),
        ("X-Amz-Credential", f"{access_key}/{_scope(stamp, region)}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", names),
        *token,
    ]


def _scope(stamp: str, region: str) -> str:
    return f"{stamp[:8]}/{region}/s3/aws4_request"


def _stamp(now: datetime) -> str:
    """Return the time as the signature wants it: `20260203T040506Z`. Its first eight letters are the day."""
    day = f"{now.year:04}{now.month:02}{now.day:02}"  # several times faster than strftime
    return f"{day}T{now.hour:02}{now.minute:02}{now.second:02}Z"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
