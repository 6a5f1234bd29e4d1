"""Holding off somebody who guesses passwords, without locking out the person whose name is tried.

Tries are counted by name and client address together, and by address for all names. Somebody who tries a name
from elsewhere uses up tries of their own. For those who share an address, behind one router or on one machine,
a browser in which the password was right before has tries of its own: it shows a signed cookie that says so.
"""

import hashlib
import ipaddress
import secrets
from typing import Final

from redis.asyncio import Redis

from pentad_config import KeyRing
from portal.tickets import BadTicketError, Tickets

KNOWN_BROWSER_COOKIE: Final = "portal_known_browser"
KNOWN_BROWSER_SECONDS: Final = 90 * 24 * 3600


class SignInLimit:
    """In five minutes ten tries of a name from an address, a hundred wrong ones from there, ten of a known browser."""

    TRIES: Final = 10
    TRIES_OF_AN_ADDRESS: Final = 100
    SECONDS: Final = 300

    def __init__(self, redis: Redis, keys: KeyRing) -> None:
        self._redis = redis
        self._browsers = Tickets(keys, "known browser", seconds=KNOWN_BROWSER_SECONDS)

    async def allows(self, name: str, address: str, browser: str = "") -> bool:
        """Count one try; False once there were too many. `browser` is what the browser's cookie says."""
        place = _place(address)
        if known := self._known(name, browser):
            return await self._count(_key(name, known)) <= self.TRIES
        at_place = await self._count(_key(place))
        return at_place <= self.TRIES_OF_AN_ADDRESS and await self._count(_key(name, place)) <= self.TRIES

    async def forget(self, name: str, address: str, browser: str = "") -> None:
        """After a right password: count this name's tries from here afresh, and give its place the one try back.

        So many people behind one router can sign in at once, and one right password excuses no wrong ones.
        """
        if known := self._known(name, browser):
            await self._redis.delete(_key(name, known))
            return
        place = _place(address)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(_key(name, place))
            pipeline.set(_key(place), 1, ex=self.SECONDS, nx=True)  # whose time ended since the try
            pipeline.decr(_key(place))
            await pipeline.execute()

    def know(self, name: str) -> str:
        """The value of the cookie for a browser in which this name's password was right."""
        return self._browsers.issue(name=name, browser=secrets.token_urlsafe(16))

    def _known(self, name: str, browser: str) -> str:
        """The number of a browser that is known for this name; empty for any other."""
        if not browser:
            return ""
        try:
            claims = self._browsers.read(browser)
        except BadTicketError:
            return ""  # forged or old: this browser is a stranger's, no more
        return claims["browser"] if claims.get("name") == name else ""

    async def _count(self, key: str) -> int:
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(key, 0, ex=self.SECONDS, nx=True)
            pipeline.incr(key)
            _, tries = await pipeline.execute()
        return int(tries)


def _place(address: str) -> str:
    """The address; of IPv6 the network of 64 bits, as one customer has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


def _key(*parts: str) -> str:
    """A key of fixed length, whatever was typed as a name."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"portal.tries.{digest}"
