"""Reading the URL of a Redis without showing the password in it, whatever is wrong with it."""

from __future__ import annotations

import typing
from urllib.parse import urlsplit

from redis.asyncio.connection import parse_url

from starsessions.exceptions import ImproperlyConfigured

if typing.TYPE_CHECKING:
    from pentad_config import Secret

__all__ = ["redis_options"]

_SCHEMES = ("redis", "rediss", "unix")
_ESCAPE = "Write the reserved characters of a user name or password escaped, such as %2F for / and %40 for @."


def redis_options(url: Secret) -> dict[str, typing.Any]:
    """Return what a connection is made with. Raises ImproperlyConfigured for a URL that cannot be one."""
    wrong = _wrong(url.text())
    if wrong is not None:
        raise ImproperlyConfigured(f"{url.name}: {wrong}")
    return dict(parse_url(url.text()))


def _wrong(url: str) -> str | None:
    """Say what is wrong with the URL. It is returned, as the frames of an exception would show the URL."""
    if url.partition("://")[0] not in _SCHEMES:
        return "the scheme is not redis://, rediss:// or unix://."
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"the host cannot be read; an IPv6 address is written in brackets. {_ESCAPE}"
    # What follows the host has no @ of its own, unless in the value of an option: this one ends a password.
    if parts.netloc and "@" in parts.path + parts.query.partition("=")[0] + parts.fragment:
        return f"an @ comes after the host. {_ESCAPE}"
    try:
        parts.port  # noqa: B018  reading it checks it
    except ValueError:
        return f"the port is no number up to 65535. {_ESCAPE}"
    try:
        parse_url(url)
    except ValueError:
        return "an option after the ? has a value that cannot be used."
    return None
