"""The session cookie: checked settings, reading it from a request, the headers that set and clear it."""

from __future__ import annotations

import dataclasses
import re
import typing
from urllib.parse import quote

from starsessions.exceptions import InvalidCookieSettings, SessionError, SessionTooLarge

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import Message

__all__ = ["Cookie", "CookieChange", "add_headers", "is_cookie_value"]

# RFC 6265, section 4.1.1 and RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = bytes({*range(0x21, 0x7F)} - {*b'",;\\'})
_DOMAIN = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_PATH = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")
_SAME_SITE = ("lax", "strict", "none")
_VARY, _NO_STORE = (b"vary", b"Cookie"), (b"cache-control", b"no-store")
_ATTRIBUTE_LIMIT = 1024  # browsers ignore longer attributes (RFC 6265bis, section 5.6)


def is_cookie_value(value: str) -> bool:
    """Tell whether `value` can stand in a cookie: no blanks, quotes, commas, semicolons, controls."""
    return value.isascii() and not value.encode().translate(None, _VALUE)


@dataclasses.dataclass(slots=True)
class CookieChange:
    """What the browser has to be told: a new `value`, or None to forget the cookie.

    `max_age` is in seconds; None ends the cookie with the browser's session. `limit` is how many bytes name
    and value may have together; None if the value is a short id.
    """

    value: str | None
    max_age: int | None = None
    limit: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Cookie:
    """The settings of a session cookie. Raises InvalidCookieSettings for what browsers would refuse."""

    name: str = "session"
    same_site: str = "lax"
    https_only: bool = True
    domain: str | None = None
    path: str | None = None
    partitioned: bool = False
    security_flags: str = dataclasses.field(init=False, repr=False)
    """The attributes that every header of this cookie carries."""
    _values: Callable[[bytes], list[bytes]] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_types()
        self._check_text()
        self._check_rules()
        secure, partitioned = ("; secure" if self.https_only else ""), ("; partitioned" if self.partitioned else "")
        object.__setattr__(self, "security_flags", f"httponly; samesite={self.same_site}{secure}{partitioned}")
        name = re.escape(self.name.encode())
        pattern = re.compile(rb"(?:\A|;)\s*" + name + rb"\s*(?:=([^;]*)|(?=;|\Z))")
        object.__setattr__(self, "_values", pattern.findall)

    def _check_types(self) -> None:
        texts = {"cookie_name": self.name, "cookie_same_site": self.same_site}
        optional = {"cookie_domain": self.domain or "", "cookie_path": self.path or ""}
        for option, value in {**texts, **optional}.items():
            if not isinstance(value, str):
                raise InvalidCookieSettings(f"Invalid {option} {value!r}: a text is needed.")

    def _check_text(self) -> None:
        if not _TOKEN.fullmatch(self.name):
            raise InvalidCookieSettings(f"Invalid cookie_name {self.name!r}: use letters, digits, '-' and '_'.")
        if self.same_site.lower() not in _SAME_SITE:
            raise InvalidCookieSettings(f"Invalid cookie_same_site {self.same_site!r}: use lax, strict or none.")
        if self.domain and (not _DOMAIN.fullmatch(self.domain) or len(self.domain) > 255):
            raise InvalidCookieSettings(
                f"Invalid cookie_domain {self.domain!r}: give a host name such as example.com, no scheme or port."
            )
        if self.path and (not _PATH.fullmatch(self.path) or len(self.path) > _ATTRIBUTE_LIMIT):
            raise InvalidCookieSettings(
                f"Invalid cookie_path {self.path!r}: it begins with '/' and has no ';' or control characters."
            )

    def _check_rules(self) -> None:
        prefix = self.name.lower()
        if self.same_site.lower() == "none" and not self.https_only:
            raise InvalidCookieSettings("cookie_same_site='none' needs cookie_https_only=True, or browsers refuse it.")
        if prefix.startswith(("__host-", "__secure-")) and not self.https_only:
            raise InvalidCookieSettings(f"A cookie named {self.name!r} needs cookie_https_only=True.")
        if prefix.startswith("__host-") and (self.domain or self.path not in {None, "", "/"}):
            raise InvalidCookieSettings(f"A cookie named {self.name!r} takes no cookie_domain and no path but '/'.")
        if self.partitioned and not self.https_only:
            raise InvalidCookieSettings("cookie_partitioned=True needs cookie_https_only=True, or browsers refuse it.")

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return the cookie's value in a request or None. Of two cookies with the same name the last counts."""
        found = None
        for field, header in headers:
            if field == b"cookie":
                found = self._values(header) or found
        if not found:
            return None
        value = str(found[-1].strip(), "latin-1")
        if '"' in value and value[0] == value[-1] == '"' and len(value) > 1:
            value = value[1:-1]
        return value or None

    def path_for(self, root_path: str) -> str:
        """Return the path that the cookie is valid for in an application mounted at `root_path`."""
        if self.path:
            return self.path
        if not root_path or self.name.lower().startswith("__host-"):
            return "/"
        return quote(root_path, safe="/:@!$&'()*+,=-._~%") or "/"

    def header(self, change: CookieChange, path: str) -> str:
        """Return the value of the Set-Cookie header that makes `change`."""
        domain = f"; domain={self.domain}" if self.domain else ""
        if change.value is None:
            gone = "expires=Thu, 01 Jan 1970 00:00:00 GMT"
            return f"{self.name}=''; path={path}; {gone}; {self.security_flags}{domain}"
        self._check_value(change.value, change.limit)
        max_age = "" if change.max_age is None else f"; max-age={change.max_age}"
        return f"{self.name}={change.value}; path={path}{max_age}{domain}; {self.security_flags}"

    def _check_value(self, value: str, limit: int | None) -> None:
        if not is_cookie_value(value):
            raise SessionError(
                "The store or the application chose a session id that cannot stand in a cookie. "
                "Use letters, digits, '-', '_', '.', '~', '+', '/' and '='."
            )
        if limit is not None and len(self.name) + len(value) > limit:
            raise SessionTooLarge(
                f"The session is too large for a cookie: name and value of {self.name!r} have "
                f"{len(self.name) + len(value)} bytes, {limit} are allowed. Keep less in it or use a server-side store."
            )


def add_headers(message: Message, set_cookie: str | None, no_store: bool = False) -> None:
    """Add Set-Cookie, if there is one, and `Vary: Cookie` to a message that starts a response.

    `no_store` adds `Cache-Control: no-store`, which keeps the response out of every cache, whatever else is said.
    """
    message["headers"] = headers = [*(message.get("headers") or ())]
    if set_cookie is not None:
        headers.append((b"set-cookie", set_cookie.encode("latin-1")))
    _join(headers, _VARY, b"*")
    if no_store:
        _join(headers, _NO_STORE)


def _join(headers: list[tuple[bytes, bytes]], header: tuple[bytes, bytes], unless: bytes = b"") -> None:
    """Add a header that is a list to what the application has put there, unless that has its item or `unless`."""
    field = header[0]
    for name, value in headers:
        if name.lower() == field:
            present = {part.strip().lower() for part in value.split(b",")}
            if not present & {header[1].lower(), unless}:
                headers[headers.index((name, value))] = (name, value + b", " + header[1])
            return
    headers.append(header)
