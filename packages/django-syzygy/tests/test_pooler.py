"""`migrate` through PgBouncer in transaction mode, where a session is somebody else's the next moment."""

import os
import shutil
from contextlib import closing

import pytest
from project import connect, postgres_settings
from servers import start_on_free_port
from test_migrate_quorum import GATED, INITIAL, answer
from test_runner_lock import WAITING

SETTINGS = ("client_connection_check_interval", "lock_timeout", "statement_timeout")
LEFT = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"


@pytest.fixture
def pooled(make_project, postgres_database, process_guard, tmp_path_factory):
    """A project whose database is reached through a pooler with three connections to the server."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        pytest.skip("pgbouncer: not found; install it (Debian: apt install pgbouncer)")
    server = postgres_settings(postgres_database)
    folder = tmp_path_factory.mktemp("pgbouncer")
    arguments = ["-u", "nobody"] if os.geteuid() == 0 else []

    def start(port):
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={server['HOST']} port={server['PORT']} user={server['USER']} "
            f"password='{server['PASSWORD']}'\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
            "unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n"
            "ignore_startup_parameters = extra_float_digits\n"
        )
        return process_guard.spawn([program, *arguments, folder / "pgbouncer.ini"], log=folder / "log")

    process, port = start_on_free_port(start, folder / "log")
    made = make_project({**server, "HOST": "127.0.0.1", "PORT": port, "DISABLE_SERVER_SIDE_CURSORS": True})
    made.direct = server
    made.migration("0001_initial", INITIAL)
    yield made
    made.close()
    process.terminate()
    process.wait(20)


def pooled_settings(project):
    """What the server's sessions in the pool are set to: three transactions at once meet all of them."""
    with closing(connect(project)) as a, closing(connect(project)) as b, closing(connect(project)) as c:
        sessions = (a, b, c)
        for session in sessions:
            session.autocommit = False
        return {tuple(session.execute(f"SHOW {name}").fetchone()[0] for name in SETTINGS) for session in sessions}


def test_nothing_leaks(pooled):
    """After migrations of every kind no lock and no setting is left in the sessions that others get next."""
    before = pooled_settings(pooled)
    pooled.migration("0002_add", 'migrations.AddField("Item", "n", models.IntegerField(null=True))', ["0001_initial"])
    index = 'syzygy.operations.AddIndexOnline("Item", models.Index(fields=["n"], name="by_n"))'
    pooled.migration("0003_index", index, ["0002_add"], body="atomic = False")
    script = "migrations.RunSQL('BEGIN; ALTER TABLE shop_item ALTER n SET DEFAULT 3; COMMIT')"
    pooled.migration("0004_script", script, ["0003_index"], body="atomic = False")
    pooled.migration("0005_gone", 'migrations.RemoveField("Item", "n")', ["0004_script"])
    pooled.run("migrate", "--pre-deploy")
    pooled.run("migrate")
    assert pooled_settings(pooled) == before
    with connect(pooled) as connection:
        assert connection.execute(LEFT).fetchone() == (0,)


def test_one_at_a_time(pooled):
    """The lock that keeps other processes out holds although no session belongs to anybody, and ends with its process."""
    pooled.migration(
        "0002_gated", "migrations.RunPython(gate, gate)", ["0001_initial"], prelude=GATED, body="atomic = False"
    )
    first = pooled.start("migrate")
    first.expect("The gate is reached")
    second = pooled.start("migrate")
    second.expect(WAITING)
    first.kill()
    second.expect("The gate is reached")
    answer(second, "go")
    assert second.finish() == 0, second.output
