"""MariaDB comes from an address or from the system, keeps what it is asked to keep, and leaves nothing behind."""

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest

from pentad_services import ProcessGuard, ServiceEnded, StartFailed, Unavailable, start_mariadb
from pentad_services import mariadb as module


def connected(url):
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        database=parts.path[1:],
        autocommit=True,
    )


def scalar(url, query):
    """The first value of a query's first row."""
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


@pytest.fixture
def programs_only(monkeypatch):
    """Addresses and containers of the outer session are left out; skips where there is no program."""
    for name in ("PENTAD_TEST_MARIADB_URL", "PENTAD_TEST_DOCKER"):
        monkeypatch.delenv(name, raising=False)
    try:
        module.server_program()
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))


def test_a_server_shares_its_temporary_tables_folder_with_no_other(mariadb_database):
    """One that starts removes the temporary tables that it finds."""
    with ProcessGuard() as guard, start_mariadb(guard=guard) as other:
        folders = {Path(scalar(url, "SELECT @@tmpdir")) for url in (mariadb_database, other.url)}
    assert len(folders) == 2
    assert Path(tempfile.gettempdir()) not in folders


def test_a_database_is_fresh_and_can_be_dropped(mariadb_service, mariadb_database):
    """`mariadb_database` names a database without a table; dropping one that is gone is no error."""
    assert (
        scalar(mariadb_database, "SELECT count(*) FROM information_schema.tables WHERE table_schema = database()") == 0
    )
    odd = mariadb_service.create_database("pentad a`b")
    for _ in range(2):
        mariadb_service.drop_database(odd)
    with pytest.raises(ValueError, match="create_database"):
        mariadb_service.drop_database(mariadb_service.url)


def test_it_comes_from_the_system_and_ends(programs_only):
    """The system's program is started behind a password, says what it is, and tells when it ended by itself."""
    with ProcessGuard() as guard, start_mariadb(guard=guard) as service:
        assert service.line.startswith("mariadb: mariadb 1")
        assert "(system), 127.0.0.1:" in service.line
        password = urlsplit(service.url).password
        assert password not in repr(service) + service.line
        for stranger in (service.url.replace(password, "wrong"), service.url.replace(f"pentad:{password}", "root:")):
            with pytest.raises(pymysql.OperationalError, match="Access denied"):
                connected(stranger)
        service.check_alive()
        service._process.kill()
        service._process.wait(120)
        with pytest.raises(ServiceEnded, match=r"mariadb: [\s\S]* ended with status -9[\s\S]*ready for connections"):
            service.check_alive()


def test_a_folder_keeps_data_and_password(programs_only, tmp_path, monkeypatch):
    """With `folder=` a restart finds the data under the same password; the address of a running one comes first."""
    with start_mariadb(tmp_path / "kept") as service:
        with connected(service.url) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (x int)")
        password = urlsplit(service.url).password
    with start_mariadb(tmp_path / "kept") as service:
        assert scalar(service.url, "SELECT count(*) FROM kept") == 0
        assert urlsplit(service.url).password == password
        monkeypatch.setenv("PENTAD_TEST_MARIADB_URL", service.url)
        with start_mariadb() as found:
            assert "(PENTAD_TEST_MARIADB_URL), 127.0.0.1:" in found.line
            assert password not in repr(found)
        assert scalar(service.url, "SELECT 1") == 1  # it was found, so it was not stopped


def test_an_address_that_does_not_work_is_an_error(monkeypatch):
    """A named server that does not answer fails with the variable's name; nothing else is tried in its place."""
    monkeypatch.setenv("PENTAD_TEST_MARIADB_URL", "mysql://x:hidden@127.0.0.1:1/x")
    with pytest.raises(StartFailed, match="PENTAD_TEST_MARIADB_URL") as caught:
        start_mariadb()
    assert "hidden" not in str(caught.value)


def test_what_cannot_be_had_says_what_was_tried(programs_only, monkeypatch, tmp_path):
    """Unavailable is one line with what was looked for, and the ways to get it; an old program is passed over."""
    old = tmp_path / "mariadbd"
    old.write_text("#!/bin/sh\necho 'mariadbd  Ver 10.3.39-MariaDB for Linux'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"URL \(not set\).*version 10\.3\.39, needs 10\.11.*apt") as caught:
        start_mariadb()
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(module, "_SQL_FOLDERS", [tmp_path])
    with pytest.raises(Unavailable, match=r"mysql_system_tables\.sql is in none of"):
        start_mariadb()
