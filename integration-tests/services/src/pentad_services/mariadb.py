"""MariaDB: found at an address (a MySQL too), in a container, or on the system."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pentad_config import Secret
from pentad_services._credentials import kept_secret, login, write_private
from pentad_services._finding import (
    Program,
    Search,
    first_source,
    free_port,
    numbers,
    on_free_ports,
    printed_version,
    wait_for_server,
)
from pentad_services.errors import StartFailed
from pentad_services.guard import GuardedProcess, ProcessGuard
from pentad_services.service import AddressedService, Home

__all__ = ["MariaDBService", "server_program", "start_mariadb", "system_tables"]

MINIMUM = "10.11"
"""Oldest MariaDB version that is used: the one of Debian 12."""

USER = "pentad"
"""The account that is made; it may do everything, also grant it."""

_REMEDY = (
    "install mariadb-server-core (apt) and PyMySQL (pip), or set "
    "PENTAD_TEST_MARIADB_URL=mysql://user:password@host:port/mysql"
)
_VERSION = r"Ver ([\d.]+)-MariaDB"
_SQL_FOLDERS = [Path("/usr/share/mariadb"), Path("/usr/share/mysql")]
# What mariadb-install-db runs, which itself asks for programs of more packages.
_SYSTEM_TABLES = ["mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"]
_FOR_TESTS = ["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-log-file-size=16M"]


@dataclass
class MariaDBService(AddressedService):
    """A running MariaDB (or MySQL) server. `url`, ``mysql://…``, names an account that may create databases."""

    def create_database(self, name: str | None = None) -> str:
        """Create a database (``pentad_<random>`` without a name) and return its URL."""
        name = name or f"pentad_{secrets.token_hex(6)}"
        self._command(f"CREATE DATABASE {_identifier(name)}")
        return urlunsplit(urlsplit(self.url)._replace(path="/" + quote(name, safe="")))

    def drop_database(self, url: str) -> None:
        """Drop the database that `url` names. One that is gone is no error."""
        name = unquote(urlsplit(url).path.lstrip("/"))
        if not name or url == self.url:
            raise ValueError("drop_database needs the URL of a database made by create_database")
        self._command(f"DROP DATABASE IF EXISTS {_identifier(name)}")

    def _command(self, command: str) -> None:
        with _connected(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(command)


def _identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _driver() -> Any:
    """PyMySQL, which has no types and need not be installed where nobody asks for MariaDB."""
    return import_module("pymysql")


def _connected(url: str) -> Any:
    parts = urlsplit(url)
    return _driver().connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        connect_timeout=60,
        # The server has no TLS; without this, PyMySQL reads all certificates of the machine for each connection.
        ssl_disabled=True,
    )


def start_mariadb(
    folder: Path | None = None, docker: bool = False, *, guard: ProcessGuard | None = None
) -> MariaDBService:
    """Find or start a MariaDB server on 127.0.0.1, with the parameters, password and errors of `start_postgres`.

    The driver PyMySQL is not among this package's requirements: who asks for MariaDB brings it along.
    """
    from pentad_services import containers

    return first_source(
        "mariadb",
        docker,
        given=_given,
        container=lambda: containers.start_mariadb(guard),
        program=lambda: _run(server_program(), folder, guard),
    )


def _given(url: str) -> MariaDBService:
    parts = urlsplit(url)
    try:
        with _connected(url) as connection:
            version = connection.get_server_info()
    except _driver().Error as problem:
        raise StartFailed(f"mariadb: PENTAD_TEST_MARIADB_URL is set, but connecting fails: {problem}") from None
    product = "mariadb" if "MariaDB" in version else "mysql"
    line = f"mariadb: {product} {version} (PENTAD_TEST_MARIADB_URL), {parts.hostname}:{parts.port or 3306}"
    return MariaDBService(line, _address(url))


def _address(url: str) -> Secret:
    return Secret(url, name="MariaDB URL")


def server_program() -> Program:
    """The system's program. Raises Unavailable."""
    search = Search.of_server("mariadb", _REMEDY)
    found = shutil.which("mariadbd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    if importlib.util.find_spec("pymysql") is None:
        search.miss("the driver PyMySQL (not installed)")
    elif found is None:
        search.miss("mariadbd (not on PATH, nor in /usr/sbin)")
    elif _sql_folder() is None:
        search.miss(f"{found} (its {_SYSTEM_TABLES[0]} is in none of {', '.join(map(str, _SQL_FOLDERS))})")
    else:
        version = printed_version([found, "--no-defaults", "--version"], _VERSION) or "?"
        if numbers(version) >= numbers(MINIMUM):
            return Program(Path(found), "mariadb", version, "system")
        search.miss(f"{found} (version {version}, needs {MINIMUM} or newer)")
    raise search.unavailable()


def _sql_folder() -> Path | None:
    return next((folder for folder in _SQL_FOLDERS if (folder / _SYSTEM_TABLES[0]).exists()), None)


def system_tables() -> str:
    """The SQL that makes a server's own tables, from the files that came with the program."""
    folder = _sql_folder()
    if folder is None:
        raise StartFailed("mariadb: the SQL files that make its own tables are gone; install mariadb-server-core anew")
    lines = ["CREATE DATABASE mysql;", "USE mysql;", "SET @auth_root_socket=NULL;"]
    lines += [line for name in _SYSTEM_TABLES for line in (folder / name).read_text().splitlines()]
    # Accounts for the name of this machine, which nobody uses.
    return "\n".join(line for line in lines if "@current_hostname" not in line)


def _run(program: Program, folder: Path | None, guard: ProcessGuard | None) -> MariaDBService:
    home = Home.of(guard)
    base = folder or home.guard.folder / f"mariadb-{secrets.token_hex(4)}"
    base.mkdir(mode=0o700, parents=folder is not None, exist_ok=True)
    options = [f"--user={pwd.getpwuid(os.getuid()).pw_name}", "--skip-name-resolve", "--skip-log-bin", "--socket="]
    options += [] if folder else _FOR_TESTS
    # Of its own: a server that starts removes the temporary tables that it finds there, also those of others.
    scratch = base / "tmp"
    scratch.mkdir(mode=0o700, exist_ok=True)
    options.append(f"--tmpdir={scratch}")
    with home.closed_on_failure():
        _make_data(program, base, options)
        return on_free_ports("mariadb", lambda: _attempt(program, base, options, home, durable=folder is not None))


def _make_data(program: Program, base: Path, options: list[str]) -> None:
    if (base / "data").exists():
        return
    made = base / f"data-{secrets.token_hex(4)}"  # whole or, when this process is killed, not at all
    made.mkdir(mode=0o700)
    command = [str(program.path), "--no-defaults", *options, f"--datadir={made}", "--bootstrap"]
    done = subprocess.run(command, input=system_tables(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartFailed(f"mariadb: making its own tables ended with code {done.returncode}:\n{done.stderr[-2000:]}")
    made.rename(base / "data")


def _attempt(program: Program, base: Path, options: list[str], home: Home, *, durable: bool) -> MariaDBService:
    port = free_port()
    password = kept_secret(base / "password")
    write_private(base / "accounts.sql", _accounts(password))
    url = f"mysql://{login(password, USER)}127.0.0.1:{port}/mysql"
    # Data that nobody keeps needs no orderly end.
    stop_signal, grace = (signal.SIGTERM, 20) if durable else (signal.SIGKILL, 0)
    process = home.guard.spawn(
        [
            program.path, "--no-defaults", *options, f"--datadir={base / 'data'}", "--bind-address=127.0.0.1",
            f"--port={port}", "--max-connections=500", f"--init-file={base / 'accounts.sql'}",
        ],
        log=base / "mariadb.log", stop_signal=stop_signal, grace=grace,
    )  # fmt: skip
    wait_for_server(lambda: _answers(url, process), process, program, taken="Address already in use")
    return MariaDBService(
        f"mariadb: {program}, 127.0.0.1:{port}",
        _address(url),
        _stop=partial(home.stop, process, grace, stop_signal),
        _process=process,
    )


def _accounts(password: Secret) -> str:
    escaped = _driver().converters.escape_string(password.text())
    return (
        f"CREATE OR REPLACE USER {USER}@'127.0.0.1' IDENTIFIED BY '{escaped}';\n"
        f"GRANT ALL ON *.* TO {USER}@'127.0.0.1' WITH GRANT OPTION;\n"
        "DROP USER IF EXISTS root@localhost, root@'127.0.0.1', root@'::1';\n"
    )


def _answers(url: str, process: GuardedProcess) -> bool:
    try:
        _connected(url).close()
    except _driver().OperationalError:
        return False
    return process.poll() is None
