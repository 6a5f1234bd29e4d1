"""The state of every part of the portal, asked all at once and each within two seconds.

However many people look, the parts are asked once in a few seconds; the reason why one is down is in the log.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from portal.front.cluster import PartitionLoad, read_load
from portal.front.shared_answer import SharedAnswer
from portal.settings import SiteSettings

_DEADLINE: Final = 2.0
_FRESH: Final = 5.0  # seconds for which an answer is shown again
_FRESH_BAD: Final = 1.0  # the same while a part is down: whoever looks wants to know when it is back
_NO_ANSWER: Final = "does not answer as it should"
# What talking to a part that is down raises; anything else is a mistake here, and its traceback is wanted.
_FORESEEN: Final = (OSError, httpx.HTTPError, RedisError)
_log = logging.getLogger(__name__)


class PartDownError(RuntimeError):
    """A part does not work; the text says so in words that anybody may read."""


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part: whether it answered, what it said, and how long that took."""

    name: str
    role: str
    works: bool
    detail: str
    milliseconds: int

    def as_dict(self) -> dict[str, Any]:
        """The same for `/status.json`."""
        return asdict(self)

    def in_public(self) -> Self:
        """The same without versions and counts; why a part is down is said in our own words already."""
        return replace(self, detail="answers") if self.works else self


class StatusBoard:
    """Asks the parts how they are."""

    def __init__(self, settings: SiteSettings, client: httpx.AsyncClient, redis: Redis) -> None:
        self._settings = settings
        self._client = client
        self._redis = redis
        self._load = SharedAnswer(_read_load, lambda _: _FRESH)
        self._parts = SharedAnswer(self._ask_all, _lasts)

    async def read(self) -> list[PartStatus]:
        """The state of all parts, in the order of the page, a few seconds old at most."""
        return await self._parts.read()

    async def load(self) -> list[PartitionLoad]:
        """How busy the cluster is, a few seconds ago at most; empty while Slurm does not answer."""
        try:
            return await asyncio.wait_for(self._load.read(), _DEADLINE)
        except TimeoutError:
            _log.error("Slurm does not say within %.0f s how busy it is", _DEADLINE)
        except PartDownError:
            pass  # logged, once for all who share the answer
        return []

    async def _ask_all(self) -> list[PartStatus]:
        catalogue = asyncio.ensure_future(self._catalogue_health())
        rows = (
            ("Sessions", "Redis", self._sessions),
            ("Catalogue", "Django", lambda: _told(catalogue, "catalogue")),
            ("Events and search", "PostgreSQL", lambda: _told(catalogue, "database")),
            ("Curation feed", "follower process", lambda: _told(catalogue, "follower")),
            ("Files", "S3 server", lambda: _told(catalogue, "files")),
            ("Notebooks", "JupyterHub", self._hub),
            ("Compute", "Slurm", self._slurm),
        )
        return list(await asyncio.gather(*(_measured(*row) for row in rows)))

    async def facts(self) -> dict[str, Any] | None:
        """The catalogue's figures for the front page; None while it does not answer."""
        try:
            response = await self._client.get("/catalogue/facts", timeout=_DEADLINE)
        except httpx.TransportError:
            return None
        return dict(response.json()) if response.is_success else None

    async def _sessions(self) -> str:
        info = await self._redis.info("server")
        flavour = "Valkey" if info.get("server_name") == "valkey" else "Redis"
        version = info.get("valkey_version") or info.get("redis_version")
        return f"{flavour} {version}"

    async def _catalogue_health(self) -> dict[str, dict[str, Any]]:
        response = await self._client.get("/catalogue/health")
        return dict(response.json())

    async def _hub(self) -> str:
        response = await self._client.get(f"{self._settings.hub_url}/hub/api/")
        response.raise_for_status()
        return f"JupyterHub {response.json()['version']}"

    async def _slurm(self) -> str:
        return "; ".join(map(str, await self._load.read()))


async def _read_load() -> list[PartitionLoad]:
    try:
        return await read_load()
    except (OSError, RuntimeError, ValueError) as error:
        _log.error("Slurm does not say how busy it is: %s", _in_a_line(error))
        raise PartDownError(_NO_ANSWER) from None


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _lasts(parts: list[PartStatus]) -> float:
    return _FRESH if all(part.works for part in parts) else _FRESH_BAD


async def _told(answer: "asyncio.Future[dict[str, dict[str, Any]]]", part: str) -> str:
    """What the catalogue says about a part it depends on."""
    state = (await asyncio.shield(answer))[part]
    if not state["works"]:
        raise PartDownError(state["detail"])
    return str(state["detail"])


async def _measured(name: str, role: str, ask: Callable[[], Awaitable[str]]) -> PartStatus:
    start = time.perf_counter()
    try:
        detail, works = await asyncio.wait_for(ask(), _DEADLINE), True
    except TimeoutError:
        detail, works = f"no answer within {_DEADLINE:.0f} s", False
    except PartDownError as error:
        detail, works = str(error), False
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the page shows that the part is down
        # Its text may name addresses and users: it is for the log.
        unforeseen = not isinstance(error, _FORESEEN)
        _log.error("%s (%s) does not work: %s", name, role, _in_a_line(error), exc_info=unforeseen)
        detail, works = _NO_ANSWER, False
    return PartStatus(name, role, works, detail, round((time.perf_counter() - start) * 1000))
