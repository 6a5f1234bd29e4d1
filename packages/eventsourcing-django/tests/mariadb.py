"""A MariaDB server of the system's programs, on a free port of 127.0.0.1, for the session."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest

from pentad_services.plugin import services_are_required

_REMEDY = "install mariadb-server-core (apt) or set PENTAD_TEST_MARIADB_URL=mysql://user:password@host:port/name"
_SYSTEM_TABLES = [Path("/usr/share/mysql"), Path("/usr/share/mariadb")]
# Data that nobody keeps: nothing waits for a disk.
_FOR_TESTS = ["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--skip-log-bin", "--sync-binlog=0"]


@dataclass
class MariaDB:
    """A running server; `url` names an account that may create databases."""

    url: str


@pytest.fixture(scope="session")
def mariadb_service(process_guard):
    """A MariaDB server, or the MySQL or MariaDB whose address is in PENTAD_TEST_MARIADB_URL."""
    if address := os.environ.get("PENTAD_TEST_MARIADB_URL"):
        yield MariaDB(address)
        return
    server = shutil.which("mariadbd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    tables = next((folder for folder in _SYSTEM_TABLES if (folder / "mysql_system_tables.sql").exists()), None)
    if server is None or tables is None:
        missing = f"mariadb: there is no mariadbd on PATH or in /usr/sbin, or no SQL files of its own. {_REMEDY}"
        pytest.fail(missing, pytrace=False) if services_are_required() else pytest.skip(missing)
    process, url = _start(server, tables, process_guard)
    yield MariaDB(url)
    process.stop(grace=0)


def _start(server, tables, guard):
    data = guard.folder / "mariadb"
    data.mkdir(mode=0o700)
    password, port = secrets.token_hex(16), _free_port()
    common = [server, "--no-defaults", f"--datadir={data}", f"--user={pwd.getpwuid(os.getuid()).pw_name}",
              "--skip-name-resolve", *_FOR_TESTS]  # fmt: skip
    _make_system_tables(common, tables)
    accounts = data / "accounts.sql"
    accounts.touch(mode=0o600)
    accounts.write_text(
        f"CREATE USER pentad@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON *.* TO pentad@'127.0.0.1' WITH GRANT OPTION;\n"
        "DROP USER IF EXISTS root@localhost, root@'127.0.0.1', root@'::1';\n"
    )
    process = guard.spawn(
        [*common, f"--socket={data / 'socket'}", "--bind-address=127.0.0.1", f"--port={port}",
         "--max-connections=500", f"--init-file={accounts}"],
        log=guard.folder / "mariadb.log", grace=0,
    )  # fmt: skip
    url = f"mysql://pentad:{password}@127.0.0.1:{port}/mysql"
    _wait_for(url, process)
    return process, url


def _make_system_tables(common, tables):
    # What mariadb-install-db does, which asks for programs of more packages.
    wanted = ("mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data")
    lines = ["CREATE DATABASE mysql;", "USE mysql;", "SET @auth_root_socket=NULL;"]
    lines += [line for name in wanted for line in (tables / f"{name}.sql").read_text().splitlines()]
    without_names = "\n".join(line for line in lines if "@current_hostname" not in line)
    done = subprocess.run([*common, "--bootstrap"], input=without_names, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(url, process):
    parts = urlsplit(url)
    deadline = time.monotonic() + 60
    while True:
        try:
            pymysql.connect(host=parts.hostname, port=parts.port, user=parts.username, password=parts.password).close()
        except pymysql.err.OperationalError as problem:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"mariadb does not answer: {problem}\n{process.tail(20)}") from problem
            time.sleep(0.05)
        else:
            return
