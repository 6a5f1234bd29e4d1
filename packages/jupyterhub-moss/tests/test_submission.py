"""A job is neither lost nor doubled, whatever happens to sbatch and scancel; on the mock Slurm."""

import asyncio
import os

import pytest
from batchspawner import JobStatus
from lone_spawner import forget_all, make_spawner

from jupyterhub_moss import command_backend
from jupyterhub_moss.errors import SubmissionError
from jupyterhub_moss.script import with_directives

SCRIPT = "#!/bin/bash\n#SBATCH --job-name=spawner-jupyterhub\n#SBATCH --requeue\n\nsleep infinity\n"


@pytest.fixture
def spawner(mock_slurm):
    spawner = make_spawner(submission_wait=2)
    yield spawner
    mock_slurm.faults.clear()
    for number in live_jobs(mock_slurm):
        mock_slurm.run("scancel", number, check=True)


def live_jobs(slurm):
    """The jobs that are not ending: those of the test before may still be, on a busy machine."""
    return slurm.run("squeue", "-h", "-a", "-t", "PENDING,RUNNING", "-o", "%i", check=True).stdout.split()


async def submit(spawner, command="sbatch --parsable"):
    spawner.batch_submit_cmd = command
    await spawner._hand_in(SCRIPT, dict(os.environ))
    return spawner.job_id


def test_every_submission_has_a_name_of_its_own_and_is_not_requeued(mock_slurm, spawner):
    """Whatever the script says of both."""
    number = asyncio.run(submit(spawner))
    first = spawner.job_name
    assert mock_slurm.run("squeue", "-h", "-j", number, "-o", "%j").stdout.strip() == first
    assert "Requeue=0" in mock_slurm.run("scontrol", "show", "job", number).stdout
    asyncio.run(submit(spawner))
    assert spawner.job_name != first


def test_a_late_job_of_an_unanswered_sbatch_is_found(mock_slurm, spawner, impatience):
    """sbatch times out, Slurm carries it out later: the server has that job, and there is no second one."""
    spawner.submission_wait = 300  # a slow machine thaws late
    impatience()
    mock_slurm.faults.freeze("sbatch")

    async def scenario():
        submission = asyncio.ensure_future(submit(spawner))
        while not any(call["program"] == "squeue" for call in mock_slurm.calls()):  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.05)
        mock_slurm.faults.thaw()
        return await submission

    assert [asyncio.run(scenario())] == live_jobs(mock_slurm)


@pytest.mark.parametrize("said", ["", "Submitted, probably"])
def test_the_job_of_an_sbatch_that_said_nothing_useful_is_found(mock_slurm, spawner, tmp_path, said):
    """It was killed after Slurm had the job, or a site's own command prints something else than an id."""
    command = tmp_path / "sbatch"
    command.write_text(f"#!/bin/sh\nsbatch >/dev/null\n{f'echo {said}' if said else 'kill -9 $$'}\n")
    command.chmod(0o755)
    assert [asyncio.run(submit(spawner, str(command)))] == live_jobs(mock_slurm)


def test_an_sbatch_that_slurm_never_heard_is_an_error(mock_slurm, spawner, impatience):
    """Once Slurm has said for `submission_wait` seconds that it has no such job."""
    impatience()
    mock_slurm.faults.freeze("sbatch", lost=True, times=1)
    with pytest.raises(SubmissionError, match="Socket timed out"):
        asyncio.run(submit(spawner))
    assert live_jobs(mock_slurm) == []
    assert spawner.get_state().get("job_name") is None


def test_a_refusal_is_an_error_at_once(mock_slurm, spawner):
    """Nothing is looked for."""
    with pytest.raises(SubmissionError, match="invalid partition specified: nosuch"):
        asyncio.run(submit(spawner, "sbatch --parsable --partition=nosuch"))
    assert mock_slurm.calls("squeue") == []


def test_a_sites_own_job_name_is_accepted_for_the_id_that_sbatch_gave(mock_slurm, spawner):
    """An option of `batch_submit_cmd` wins over the script; from the first look on it is the name that counts."""
    asyncio.run(submit(spawner, "sbatch --parsable --job-name=site"))
    assert asyncio.run(spawner.query_job_status(max_age=0)) is not JobStatus.NOTFOUND
    assert spawner.get_state()["job_name"] == "site"


def test_an_id_with_another_name_is_neither_this_server_nor_cancelled(mock_slurm, spawner, job):
    """After the ids have started again, another job of the same user can have it."""
    spawner.load_state({"job_id": job, "job_name": "spawner-jupyterhub-0123", "job_seen": True})
    assert asyncio.run(spawner.poll()) == 1
    asyncio.run(spawner.stop())
    assert live_jobs(mock_slurm) == [job]
    assert mock_slurm.calls("scancel") == []


def test_a_state_of_batchspawners_own_is_taken_up(mock_slurm, spawner, job):
    """The job of a hub before the move to this package has another name, and runs on."""
    spawner.load_state({"job_id": job, "job_status": "RUNNING cpu1"})
    assert asyncio.run(spawner.poll()) is None


def test_a_stop_during_an_outage_is_made_up_for(mock_slurm, spawner):
    """scancel is repeated until Slurm has heard it; the server counts as stopping until then."""
    number = asyncio.run(submit(spawner))
    mock_slurm.faults.fail(
        "scancel", err="scancel: error: Kill job error: Unable to contact slurm controller\n", times=2
    )
    asyncio.run(spawner.stop())
    assert live_jobs(mock_slurm) == []
    assert len([call for call in mock_slurm.calls("scancel") if call["argv"] == [number]]) == 3


def test_a_scancel_that_hangs_is_killed_and_repeated(mock_slurm, spawner, monkeypatch):
    """As behind a login that never answers; the mock's own commands would wait for a minute."""
    monkeypatch.setattr(command_backend, "_COMMAND_SECONDS", 5.0)
    asyncio.run(submit(spawner))
    mock_slurm.faults.freeze("scancel", times=1, lost=True)
    asyncio.run(spawner.stop())
    assert live_jobs(mock_slurm) == []


def test_a_job_that_waits_in_the_queue_again_is_ended(mock_slurm, spawner):
    """Its next run would listen where the hub sends nobody."""
    number = asyncio.run(submit(spawner))
    mock_slurm.wait_for(int(number), "RUNNING")
    mock_slurm.run("scontrol", "update", f"jobid={number}", "requeue=1", check=True)
    mock_slurm.run("scontrol", "requeuehold", number, check=True)
    mock_slurm.wait_for(int(number), "PENDING")
    forget_all()
    assert asyncio.run(spawner.poll()) == 1
    assert live_jobs(mock_slurm) == []
    assert "back into the queue" in spawner.last_end


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("#!/bin/bash\n#SBATCH --a\n\n#SBATCH --b\nid\n#SBATCH --c\n", 4),
        ("#!/bin/bash\n# only a comment\nid\n", 1),
        ("#!/bin/bash\n", 1),
    ],
)
def test_directives_stand_where_sbatch_reads_them_last(script, line):
    """After all others and before the first command."""
    lines = with_directives(script, ["--x"]).splitlines()
    assert lines.index("#SBATCH --x") == line
    assert len(lines) == len(script.splitlines()) + 1
