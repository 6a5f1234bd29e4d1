"""`migrate --quorum` by real processes, on PostgreSQL and on the caches people use for it.

`SYZYGY_QUORUM_REPEATS=20` repeats each test twenty times, for two to eight processes.
"""

import os
import signal
import subprocess
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.core.cache import caches
from django.test import override_settings
from project import connect, postgres_settings

INITIAL = """migrations.CreateModel("Item", fields=[("id", models.BigAutoField(primary_key=True))])"""
RECORDED = """migrations.RunSQL("INSERT INTO runs (id) VALUES (1)")"""
# The migration says that it began and waits for a word; a process that is told to does so just before it joins.
GATED = """
import os, sys
from syzygy.quorum.rendezvous import Rendezvous
def wait_and_run(self, migrate, run=Rendezvous.run):
    print("Ready to join", flush=True)
    sys.stdin.readline()
    run(self, migrate)
if "WAIT_BEFORE_JOINING" in os.environ:
    Rendezvous.run = wait_and_run
def gate(apps, schema_editor):
    print("The gate is reached", flush=True)
    if sys.stdin.readline() != "go\\n":
        raise RuntimeError("told to fail")
"""

# Seconds after which a process without a sign of life is taken for gone, and a lock that it held is free: one that a
# test kills, and waits for; one that has to count for as long as a busy machine may stop it, and is killed then; others.
SOON, LATER, NEVER = 5, 15, 120
# The full size is twenty repeats for each number of processes from two to eight.
REPEATS = int(os.environ.get("SYZYGY_QUORUM_REPEATS", "1"))
SIZES = range(2, 9) if REPEATS > 1 else (2, 8)
repeated = pytest.mark.parametrize("repeat", range(REPEATS))
sizes = pytest.mark.parametrize("count", SIZES)


@pytest.fixture(params=["postgres", "redis", "memcached"])
def quorum_project(request, make_project, postgres_database):
    cache, backend = None, "syzygy.quorum.backends.postgres.PostgresQuorum"
    if request.param != "postgres":
        cache = {
            "redis": lambda: {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": request.getfixturevalue("redis_url"),
            },
            "memcached": lambda: {
                "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
                "LOCATION": request.getfixturevalue("memcached"),
                "KEY_PREFIX": uuid.uuid4().hex,
            },
        }[request.param]()
        backend = {"backend": "syzygy.quorum.backends.cache.CacheQuorum", "member_timeout": NEVER}
    made = make_project(postgres_settings(postgres_database), cache, MIGRATION_QUORUM_BACKEND=backend)
    made.migration("0001_initial", INITIAL)
    with connect(made) as connection:
        connection.execute("CREATE TABLE runs (id integer)")
    return made


@pytest.fixture
def gated(quorum_project):
    quorum_project.migration(
        "0002_gated", f"migrations.RunPython(gate, gate), {RECORDED}", ["0001_initial"], prelude=GATED
    )
    return quorum_project


@contextmanager
def member_timeout(project, seconds):
    """Give processes that are started meanwhile another span between signs of life, where the backend knows one."""
    backend = project.settings["MIGRATION_QUORUM_BACKEND"]
    if isinstance(backend, dict):
        backend["member_timeout"] = seconds
    yield
    if isinstance(backend, dict):
        backend["member_timeout"] = NEVER


def runs(project):
    """How often the migration ran."""
    with connect(project) as connection:
        return connection.execute("SELECT count(*) FROM runs").fetchone()[0]


def answer(process, word):
    """Let the migration go on, if this is the process that runs it."""
    process.process.stdin.write(f"{word}\n")
    process.process.stdin.flush()


def start(project, count, quorum, *options):
    return [project.start("migrate", "--quorum", str(quorum), *options) for _ in range(count)]


def start_followers(project, count, quorum, *options):
    """Start processes and wait until each is a member."""
    followers = start(project, count, quorum, *options)
    for follower in followers:
        follower.expect("Waiting for pre-migrate quorum")
    return followers


@repeated
@sizes
def test_applied_once(quorum_project, count, repeat):
    """Of N processes one applies the migrations, and all end well."""
    quorum_project.migration("0002_recorded", RECORDED, ["0001_initial"])
    processes = start(quorum_project, count, count)
    assert [process.finish() for process in processes] == [0] * count, [p.output for p in processes]
    assert sorted("Applying shop.0002" in process.output for process in processes) == [False] * (count - 1) + [True]
    assert runs(quorum_project) == 1


def test_before_and_after_a_deployment(quorum_project):
    """Two processes meet for the stage before the deployment, and again for the one after it."""
    quorum_project.migration("0002_recorded", RECORDED, ["0001_initial"])
    quorum_project.migration("0003_later", RECORDED, ["0002_recorded"], body="stage = Stage.POST_DEPLOY")
    for options, expected in ((["--pre-deploy"], 1), ([], 2)):
        processes = start(quorum_project, 2, 2, *options)
        assert [process.finish() for process in processes] == [0, 0], [p.output for p in processes]
        assert runs(quorum_project) == expected
    assert quorum_project.run("migrate", "--quorum", "2").count("No migrations to apply") == 1


@repeated
@pytest.mark.parametrize("count", [2, 4])
def test_failing_leader(gated, count, repeat):
    """A migration that fails makes the followers fail at once, and a later attempt starts clean."""
    followers = start_followers(gated, count - 1, count)
    (leader,) = start(gated, 1, count)
    leader.expect("The gate is reached")
    answer(leader, "fail")
    assert leader.finish() == 1
    assert "told to fail" in leader.output and "dissolving quorum" in leader.output
    for follower in followers:
        assert follower.finish() == 1
        assert "Error encountered by remote party" in follower.output or "ended before it was done" in follower.output
        assert "Traceback" not in follower.output
    run_again(gated, count)


def run_again(project, count):
    """Start all of them once more; the migration is applied once, and all end well."""
    again = start(project, count, count)
    for process in again:
        answer(process, "go")
    assert [process.finish() for process in again] == [0] * count, [p.output for p in again]
    assert runs(project) == 1


@repeated
def test_failing_leader_with_a_dead_follower(gated, repeat):
    """The same while one of the followers is dead: nobody waits for it, then or when all run again."""
    with member_timeout(gated, LATER):
        dead, follower = start_followers(gated, 2, 3)
    (leader,) = start(gated, 1, 3)
    leader.expect("The gate is reached")
    for process in (dead, follower):
        process.expect("Waiting for migrations to be applied")
    dead.kill()
    answer(leader, "fail")
    assert [process.finish() for process in (leader, follower)] == [1, 1]
    run_again(gated, 3)


@repeated
def test_longer_than_the_cache_remembers(gated, repeat):
    """A migration may last longer than the quorum's cache keeps what nobody renews."""
    backend = gated.settings["MIGRATION_QUORUM_BACKEND"]
    if isinstance(backend, dict):
        backend["timeout"] = SOON
    (follower,) = start_followers(gated, 1, 2)
    (leader,) = start(gated, 1, 2)
    leader.expect("The gate is reached")
    follower.expect("Waiting for migrations to be applied")
    wait_until_forgotten(gated, SOON)
    answer(leader, "go")
    assert [process.finish() for process in (follower, leader)] == [0, 0], [follower.output, leader.output]
    assert runs(gated) == 1


@repeated
def test_killed_leader(gated, repeat):
    """When the leader is killed the followers say so, and all can simply run again."""
    # It waits for half its own span longer than the leader's sign of life lasts.
    with member_timeout(gated, LATER):
        (follower,) = start_followers(gated, 1, 2)
    with member_timeout(gated, SOON):
        (leader,) = start(gated, 1, 2)
    leader.expect("The gate is reached")
    follower.expect("Waiting for migrations to be applied")
    leader.kill()
    assert follower.finish() == 1
    assert "ended before it was done" in follower.output
    run_again(gated, 2)


@repeated
def test_killed_waiter(gated, repeat):
    """A process that is killed while it waits does not count: its successor takes its place."""
    with member_timeout(gated, SOON):
        (killed,) = start_followers(gated, 1, 3)
    killed.kill()
    # On a cache the sign of life takes its time to fade; the quorum of the rest must not count it afterwards.
    wait_until_forgotten(gated, SOON)
    followers = start_followers(gated, 2, 3)
    (leader,) = start(gated, 1, 3)
    leader.expect("The gate is reached")
    answer(leader, "go")
    processes = [*followers, leader]
    assert [process.finish() for process in processes] == [0, 0, 0], [p.output for p in processes]
    assert "Applying shop.0002" in leader.output
    assert runs(gated) == 1


def wait_until_forgotten(project, seconds):
    """Return once the cache has let go of everything that was written until now to last for so many seconds."""
    if project.cache["BACKEND"].endswith("LocMemCache"):
        return
    with override_settings(CACHES={"default": project.cache}):
        cache = caches["default"]
        cache.set("probe", 1, timeout=seconds + 1)
        while cache.get("probe"):
            threading.Event().wait(0.05)
        cache.close()


def first_news(processes):
    """Wait until of two processes one leads and waits for its turn."""
    with ThreadPoolExecutor(len(processes)) as pool:
        return list(
            pool.map(lambda process: process.expect("Waiting for another process", "Waiting for migrations"), processes)
        )


@repeated
def test_more_processes_than_needed(gated, repeat):
    """Processes beyond the quorum neither apply anything nor wait for nothing."""
    followers = start_followers(gated, 1, 2)
    (leader,) = start(gated, 1, 2)
    leader.expect("The gate is reached")
    # They find the plan half applied, and so meet under another name; the one chosen there has to wait its turn.
    late = start(gated, 2, 2)
    output = first_news(late)
    assert any("Waiting for another process that is migrating" in line for line in output)
    answer(leader, "go")
    processes = [*followers, leader, *late]
    assert [process.finish() for process in processes] == [0] * 4, [p.output for p in processes]
    assert runs(gated) == 1


@repeated
def test_one_process_more(gated, repeat):
    """A single process beyond the quorum, such as one that was started again, waits for the others and ends well."""
    (follower,) = start_followers(gated, 1, 2)
    (leader,) = start(gated, 1, 2)
    leader.expect("The gate is reached")
    (late,) = start_followers(gated, 1, 2)
    answer(leader, "go")
    processes = [follower, leader, late]
    assert [process.finish() for process in processes] == [0] * 3, [p.output for p in processes]
    assert "Migrations applied by remote party before the quorum was reached" in late.output
    assert runs(gated) == 1


@repeated
def test_follower_killed_during_the_migration(gated, repeat):
    """The leader and the other followers end well without a follower that was killed."""
    with member_timeout(gated, LATER):
        followers = start_followers(gated, 2, 3)
    (leader,) = start(gated, 1, 3)
    leader.expect("The gate is reached")
    for follower in followers:
        follower.expect("Waiting for migrations to be applied")
    followers[0].kill()
    answer(leader, "go")
    assert [process.finish() for process in (followers[1], leader)] == [0, 0]
    assert runs(gated) == 1


@repeated
@pytest.mark.parametrize("quorum_project", ["redis", "memcached"] if REPEATS > 1 else ["redis"], indirect=True)
def test_follower_taken_for_gone(gated, repeat):
    """A follower that stood still for so long that nobody waits for it finds in the record that all went well."""
    with member_timeout(gated, 2 * SOON):
        (follower,) = start_followers(gated, 1, 2)
    (leader,) = start(gated, 1, 2)
    leader.expect("The gate is reached")
    follower.expect("Waiting for migrations to be applied")
    os.kill(follower.process.pid, signal.SIGSTOP)
    wait_until_forgotten(gated, 2 * SOON)
    answer(leader, "go")
    assert leader.finish() == 0
    assert "not all other processes came to hear of it" in leader.output
    os.kill(follower.process.pid, signal.SIGCONT)
    assert follower.finish() == 0, follower.output
    assert runs(gated) == 1


@repeated
def test_lone_process_times_out(quorum_project, repeat):
    """Alone a process gives up with an error that says what to do, and leaves nothing behind."""
    quorum_project.migration("0002_recorded", RECORDED, ["0001_initial"])
    for _ in range(2):
        output = quorum_project.run("migrate", "--quorum", "2", "--quorum-timeout", "0", status=1)
        assert "CommandError: No quorum of 2 processes within 0 seconds. 1 of them came." in output
        assert "--quorum-timeout" in output
    assert runs(quorum_project) == 0


@repeated
def test_long_migration(gated, repeat):
    """While the leader works its followers wait, however short the quorum's timeout."""
    timeout = 5
    options = ["migrate", "--quorum", "2", "--quorum-timeout", str(timeout)]
    # Started first and held, so that however slow the machine the other one does not wait for its start.
    leader = gated.start(*options, WAIT_BEFORE_JOINING="1")
    leader.expect("Ready to join")
    (follower,) = start_followers(gated, 1, 2, "--quorum-timeout", str(timeout))
    answer(leader, "join")
    leader.expect("The gate is reached")
    follower.expect("Waiting for migrations to be applied")
    # Longer than the timeout: the follower is watched for an end that must not come.
    with pytest.raises(subprocess.TimeoutExpired):
        follower.process.wait(timeout + 1)
    answer(leader, "go")
    assert [process.finish() for process in (follower, leader)] == [0, 0]


@pytest.mark.parametrize("option", ["--plan", "--check"])
def test_looking_does_not_join(quorum_project, option):
    """`--plan` and `--check` answer at once and are no members."""
    quorum_project.migration("0002_recorded", RECORDED, ["0001_initial"])
    output = quorum_project.run("migrate", option, "--quorum", "2", status=1 if option == "--check" else 0)
    assert "quorum" not in output
    output = quorum_project.run("migrate", "--quorum", "2", "--quorum-timeout", "0", status=1)
    assert "1 of them came" in output


def test_nothing_to_do(quorum_project):
    """An empty plan needs no quorum."""
    quorum_project.run("migrate", "-v0")
    assert "No migrations to apply" in quorum_project.run("migrate", "--quorum", "5")
