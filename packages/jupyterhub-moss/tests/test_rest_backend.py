"""Slurm through slurmrestd is the Slurm that its commands show: on the mock, and by `nox -s slurm` on a real one."""

import asyncio
import contextlib
import logging
import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from batchspawner import JobStatus

from jupyterhub_moss.access import read_rules
from jupyterhub_moss.command_backend import INFO_IN_FULL
from jupyterhub_moss.errors import SubmissionError
from jupyterhub_moss.jobs import JOB_FORMAT, read_jobs
from jupyterhub_moss.sinfo import read_partitions

LIMIT = 120  # seconds, on any machine


def script(*options, chdir="/tmp", command="sleep 600"):
    lines = ["--job-name=x", f"--chdir={chdir}", "--output=/dev/null", "--export=GREETING,TOKEN", *options]
    return "".join(["#!/bin/bash\n", *(f"#SBATCH {line}\n" for line in lines), "\n", f"{command}\n"])


async def submit(cluster, *options, name="alice", environment=None, **text):
    number = await cluster.spawner(name).slurm.submit(script(*options, **text), environment or {"GREETING": "hello"})
    cluster.jobs.append(number)
    return number


async def until(condition):
    async with asyncio.timeout(LIMIT):
        while not (found := await condition()):  # noqa: ASYNC110  # Slurm tells nobody
            await asyncio.sleep(0.1)
    return found


async def running(cluster, number, name="alice"):
    slurm = cluster.spawner(name).slurm

    async def runs():
        return (await slurm.state_and_host(number)).startswith("RUNNING")

    await until(runs)


@contextlib.contextmanager
def drained(cluster, node):
    cluster.run(f"scontrol update nodename={node} state=drain reason=test")
    try:
        yield
    finally:
        cluster.run(f"scontrol update nodename={node} state=resume")


def test_partitions_and_their_rules_are_those_of_sinfo_and_scontrol(cluster_by_rest):
    """Kinds of nodes, free and offline ones, free GPUs, time limits, hidden partitions; also while a node is drained."""
    slurm = cluster_by_rest.spawner().slurm

    async def agree_on(free):
        """A node's use may be told a moment after the job's start, so each is asked until both say so."""

        async def same():
            resources = await slurm.resources()
            shown = read_partitions(await asyncio.to_thread(cluster_by_rest.run, INFO_IN_FULL), logging.getLogger())
            gpus = {gpu.kind: gpu.number for node in shown["gpu"].node_types for gpu in node.gpus_free}
            return resources == shown and gpus == free

        await until(same)

    async def scenario():
        free = {"A100": 4, "V100": 2, "a100_1g.5gb": 4, "a100_3g.20gb": 2}
        await agree_on(free)
        await submit(cluster_by_rest, "--partition=gpu", "--gres=gpu:a100_1g.5gb:3")
        await agree_on({**free, "a100_1g.5gb": 1})
        with drained(cluster_by_rest, "mig1"):
            await agree_on({**free, "a100_1g.5gb": 0, "a100_3g.20gb": 0})

    asyncio.run(scenario())
    shown = read_rules(cluster_by_rest.run("scontrol -a -o show partition"))
    assert asyncio.run(slurm.rules()) == shown
    assert shown["restricted"].groups == {"slurmvip"}


def test_jobs_are_those_that_squeue_shows(cluster_by_rest):
    """Running, waiting and unknown ones, by their ids, by their name and by their waiting, with state, host, reason."""

    async def scenario():
        slurm = cluster_by_rest.spawner().slurm
        first = await submit(cluster_by_rest, "--partition=cpu", "--time=30")
        second = await submit(cluster_by_rest, "--partition=debug", "--time=1:00:00")
        await running(cluster_by_rest, first)

        async def judged():
            return (await slurm.jobs([second])).get(second, (None,) * 8)[7] == "PartitionTimeLimit"

        await until(judged)
        seen = await slurm.jobs([first, second, "999999"])
        shown = read_jobs(cluster_by_rest.run(f"squeue -h -a -t all -j {first},{second} -o {JOB_FORMAT}"))
        assert {n: j._replace(ends_at=None) for n, j in seen.items()} == {
            n: j._replace(ends_at=None) for n, j in shown.items()
        }
        ends_at = datetime.fromisoformat(cluster_by_rest.run(f"squeue -h -j {first} -o %e")).timestamp()
        assert seen[first].ends_at == pytest.approx(ends_at, abs=1)  # in whole seconds on either side
        assert seen[second].ends_at is None
        assert {job.number for job in await slurm.jobs_named("x")} >= {first, second}
        assert await slurm.jobs_named("another") == []
        assert second in await slurm.waiting_jobs()
        assert first not in await slurm.waiting_jobs()
        assert await slurm.state_and_host("999999") == ""

    asyncio.run(scenario())


def test_a_job_has_what_its_script_asks_for(cluster_by_rest):
    """slurmrestd reads no directives: they become fields of the job, the user's own and the last of each."""

    async def scenario():
        await submit(
            cluster_by_rest, "--partition=cpu", "--partition=gpu", "--time=1:30:00", "--mem=2G", "--cpus-per-task=2",
            "--gres=gpu:V100:1", "--no-requeue", "--comment=hers", "--exclusive",
        )  # fmt: skip

    asyncio.run(scenario())
    shown = cluster_by_rest.run(f"scontrol -o show job {cluster_by_rest.jobs[-1]}")
    for fact in (
        "UserId=alice(", "Partition=gpu", "TimeLimit=01:30:00", "MinMemoryNode=2G", "CPUs/Task=2",
        "TresPerNode=gres:gpu:V100:1", "Requeue=0", "Comment=hers", "OverSubscribe=NO", "WorkDir=/tmp",
    ):  # fmt: skip
        assert fact in shown


def test_a_job_has_the_environment_that_was_chosen_for_it(cluster_by_rest):
    """What `--export` names and the user's own variables; nothing else, and no token for Slurm."""

    async def scenario(folder):
        done = Path(folder, "done")
        environment = {"GREETING": "good day, you", "TOKEN": "42", "OTHER": "hidden"}
        number = await submit(
            cluster_by_rest, "--partition=cpu", "--get-user-env", "--cpus-per-task=2",
            environment=environment, chdir=folder, command="env > environment; mv environment done",
        )  # fmt: skip
        assert number

        async def there():
            return await asyncio.to_thread(done.exists)

        await until(there)
        return await asyncio.to_thread(done.read_text)

    with tempfile.TemporaryDirectory() as folder:  # not below pytest's own, which only its user may enter
        Path(folder).chmod(0o777)
        written = asyncio.run(scenario(folder)).splitlines()
    assert {"GREETING=good day, you", "TOKEN=42", "LOGNAME=alice", "SLURM_CPUS_PER_TASK=2"} <= set(written)
    assert not {"OTHER", "SLURM_JWT"} & {line.partition("=")[0] for line in written}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--partition=nosuch"], "Invalid partition name specified"),
        (["--partition=restricted"], "User's group not permitted to use this partition"),
        (["--partition=gpu", "--gres=gpu:A100:9"], "Requested node configuration is not available"),
        (["--partition=cpu", "--reservation=nope"], "Requested reservation is invalid"),
        (["--partition=cpu", "--switches=1"], "the option --switches cannot be given by way of slurmrestd"),
    ],
)
def test_a_refusal_is_in_slurms_words(cluster_by_rest, options, sentence):
    """The user learns why, and the hub knows at once that there is no job to look for."""
    spawner = cluster_by_rest.spawner()
    with pytest.raises(SubmissionError) as refusal:
        asyncio.run(spawner._hand_in(script(*options), {"GREETING": "x"}))
    assert str(refusal.value).startswith(f"Slurm did not accept the job: {sentence}")
    assert (spawner.job_id, spawner.job_name) == ("", "")


def test_only_its_owner_ends_a_job(cluster_by_rest):
    """Another user is refused; a job that has ended, or that there never was, is no error."""

    async def scenario():
        number = await submit(cluster_by_rest, "--partition=cpu")
        with pytest.raises(RuntimeError, match="Access/permission denied"):
            await cluster_by_rest.spawner("bob").slurm.cancel(number)
        slurm = cluster_by_rest.spawner().slurm
        await slurm.cancel(number)

        async def ended():
            return (await slurm.state_and_host(number)).startswith("CANCELLED")

        await until(ended)
        await slurm.cancel(number)
        await slurm.cancel("999999")

    asyncio.run(scenario())


def test_one_token_of_root_serves_every_user_and_is_read_again_when_it_is_renewed(cluster_by_rest, tmp_path):
    """Its file may hold an expired one for a while: nothing is known then, and nobody has lost a server."""
    file = tmp_path / "token"
    file.write_text(cluster_by_rest.token("root", valid_for=-10))

    def spawner(name):
        return cluster_by_rest.spawner(name, slurm_token=f"file:{file}")

    async def scenario():
        waiting = spawner("bob")
        waiting.job_id = "1"
        assert await waiting.query_job_status(max_age=0) is JobStatus.UNKNOWN
        assert await waiting._query_alone() is JobStatus.UNKNOWN
        (tmp_path / "new").write_text(cluster_by_rest.token("root"))
        (tmp_path / "new").replace(file)
        one = spawner("bob")

        async def accepted():
            with contextlib.suppress(RuntimeError):
                return await one.slurm.submit(script("--partition=restricted"), {"GREETING": "x"})

        cluster_by_rest.jobs.append(await until(accepted))

    asyncio.run(scenario())
    assert cluster_by_rest.run(f"squeue -h -j {cluster_by_rest.jobs[-1]} -o %u") == "bob"


def test_the_token_is_in_nothing_that_is_written_or_shown(cluster_by_rest, caplog):
    """Not in the log, in an error, in the job's environment or its script."""
    caplog.set_level(logging.DEBUG)
    token = cluster_by_rest.token("alice")
    spawner = cluster_by_rest.spawner(slurm_token=token)
    asyncio.run(spawner._hand_in(script("--partition=cpu"), {"GREETING": "x"}))
    cluster_by_rest.jobs.append(spawner.job_id)
    with pytest.raises(SubmissionError) as refusal:
        asyncio.run(spawner._hand_in(script("--partition=nosuch"), {"GREETING": "x"}))
    shown = cluster_by_rest.run(f"scontrol show job {cluster_by_rest.jobs[-1]}")
    everything = [caplog.text, str(refusal.value), shown, str(spawner.get_env()), repr(spawner.slurm_token)]
    assert not [text for text in everything if token in text or token.rpartition(".")[2] in text]
