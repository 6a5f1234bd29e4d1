"""The state of every part of the portal, asked all at once and each within two seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import httpx
from redis.asyncio import Redis

from portal.settings import SiteSettings

_DEADLINE: Final = 2.0


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


class StatusBoard:
    """Asks the parts how they are."""

    def __init__(self, settings: SiteSettings, client: httpx.AsyncClient, redis: Redis) -> None:
        self._settings = settings
        self._client = client
        self._redis = redis

    async def read(self) -> list[PartStatus]:
        """The state of all parts, in the order of the page."""
        catalogue = asyncio.ensure_future(self._catalogue_health())
        rows = (
            ("Sessions", "Redis", self._sessions),
            ("Catalogue", "Django", lambda: _told(catalogue, "catalogue")),
            ("Events and search", "PostgreSQL", lambda: _told(catalogue, "database")),
            ("Curation feed", "follower process", lambda: _told(catalogue, "follower")),
            ("Files", "S3 server", lambda: _told(catalogue, "files")),
            ("Notebooks", "JupyterHub", self._hub),
            ("Compute", "Slurm", _slurm),
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


async def _told(answer: "asyncio.Future[dict[str, dict[str, Any]]]", part: str) -> str:
    """What the catalogue says about a part it depends on."""
    state = (await asyncio.shield(answer))[part]
    if not state["works"]:
        raise RuntimeError(state["detail"])
    return str(state["detail"])


async def _slurm() -> str:
    process = await asyncio.create_subprocess_exec(
        "sinfo", "-h", "-p", "cpu,gpu", "-o", "%P %D %t", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(errors.decode().strip() or f"sinfo ended with status {process.returncode}")
    return _partitions(output.decode())


def _partitions(listing: str) -> str:
    """`lab: 2 idle, short: 1 mix` from sinfo's lines."""
    states: dict[str, list[str]] = {}
    for line in listing.splitlines():
        partition, nodes, state = line.split()
        states.setdefault(partition.rstrip("*"), []).append(f"{nodes} {state}")
    return "; ".join(f"{name}: {', '.join(counts)}" for name, counts in states.items())


async def _measured(name: str, role: str, ask: Callable[[], Awaitable[str]]) -> PartStatus:
    start = time.perf_counter()
    try:
        detail, works = await asyncio.wait_for(ask(), _DEADLINE), True
    except TimeoutError:
        detail, works = f"no answer within {_DEADLINE:.0f} s", False
    except Exception as error:  # noqa: BLE001 - whatever went wrong is what the page is there to show
        detail, works = str(error) or type(error).__name__, False
    return PartStatus(name, role, works, detail, round((time.perf_counter() - start) * 1000))
