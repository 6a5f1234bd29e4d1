"""What a person learns who waits for a server, on the mock Slurm."""

import asyncio
import getpass

import pytest
from batchspawner import JobStatus
from bs4 import BeautifulSoup
from lone_spawner import make_spawner

from jupyterhub_moss.errors import ImpossibleRequestError, JobEndedError
from jupyterhub_moss.insight import estimated_start, last_lines, position, shared_queue
from jupyterhub_moss.jobs import JobFacts
from jupyterhub_moss.reasons import why_ended, why_impossible, why_waiting

JOB = JobFacts("7", "PENDING", "n/a", "alice", "cpu", 100, "N/A", "Priority", "spawner-jupyterhub")


@pytest.fixture(autouse=True)
def _nothing_remembered():
    shared_queue._entries.clear()


async def wait_for_server(slurm, *options, script="sleep infinity", **spawner_options):
    spawner = make_spawner(startup_poll_interval=0.1, **spawner_options)
    spawner._served = False
    spawner.job_id = str(slurm.sbatch(script, *options))
    try:
        return await asyncio.wait_for(spawner._until_served(), 300)
    finally:
        slurm.run("scancel", spawner.job_id, check=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--partition=debug", "--time=60"], "may not run as long as was asked for"),
        (["--partition=cpu", "--cpus-per-task=64"], "No node of the partition has what was asked for"),
        (["--qos=small", "--cpus-per-task=6"], "over a limit for one job (QOSMaxCpuPerJobLimit)"),
    ],
)
def test_a_job_that_can_never_start_fails_at_once_and_says_why(mock_slurm, options, words):
    """Slurm accepts it and lets it wait for ever; two looks, a second apart, are enough."""
    with pytest.raises(ImpossibleRequestError) as caught:
        asyncio.run(wait_for_server(mock_slurm, *options))
    assert words in str(caught.value)
    assert len(mock_slurm.calls("squeue")) >= 2


def test_a_job_that_ends_before_its_server_is_there_shows_its_last_lines(mock_slurm, tmp_path):
    """At once, and without what a terminal would obey."""
    script = "for i in {1..30}; do echo line $i; done; printf 'no \\033[31mmodule\\033[0m R\\n'; exit 3"
    with pytest.raises(JobEndedError) as caught:
        asyncio.run(
            wait_for_server(
                mock_slurm,
                f"--output={tmp_path}/slurm-%j.out",
                script=script,
                req_homedir=str(tmp_path),
                user_options={"output": "slurm-%j.out"},
            )
        )
    lines = caught.value.message.splitlines()
    assert (
        lines[0]
        == "The job ended before its server could be reached: its script ended with an error. Its output ended with:"
    )
    assert lines[-2:] == ["line 30", "no [31mmodule[0m R"]
    assert len(lines) == 21


def test_the_last_lines_stay_lines_in_the_hubs_pages_and_are_only_text(mock_slurm, tmp_path):
    """Pages of the hub print `jupyterhub_html_message` as it is."""
    with pytest.raises(JobEndedError) as caught:
        asyncio.run(
            wait_for_server(
                mock_slurm,
                f"--output={tmp_path}/slurm-%j.out",
                script="printf 'first\\n</pre><script>alert(1)</script>\\n'; exit 3",
                req_homedir=str(tmp_path),
                user_options={"output": "slurm-%j.out"},
            )
        )
    page = BeautifulSoup(caught.value.jupyterhub_html_message, "html.parser")
    assert [element.name for element in page.find_all()] == ["pre"]
    assert page.pre.text == "first\n</pre><script>alert(1)</script>"
    assert page.text == caught.value.message.replace("with:\n", "with:")


def test_a_job_without_a_log_says_how_to_get_one(mock_slurm):
    """Its output went to /dev/null."""
    with pytest.raises(JobEndedError, match="Start it with a log to see its output"):
        asyncio.run(wait_for_server(mock_slurm, "--output=/dev/null", script="exit 1"))


def test_a_waiting_person_learns_the_reason_the_place_and_the_estimate(mock_slurm):
    """Two jobs wait for the only node of a partition that a third has."""
    blocker, *waiting = [
        mock_slurm.sbatch("sleep infinity", "--partition=debug", "--exclusive", "--time=5") for _ in range(3)
    ]
    mock_slurm.wait_for(blocker, "RUNNING")

    async def message(number):
        spawner = make_spawner(job_id=str(number))
        while True:
            await spawner.query_job_status(max_age=0)
            words = (await anext(spawner.progress()))["message"]
            if "Estimated" in words or "Other jobs" in words:
                return words

    async def scenario():
        return [await message(number) for number in waiting]

    first, second = asyncio.run(scenario())
    assert first.startswith("The job is first in line")
    assert "Place 1 in the queue of partition debug. Estimated start: " in first
    assert second.startswith("Other jobs are ahead in the queue. Place 2")
    for number in (blocker, *waiting):
        mock_slurm.run("scancel", str(number), check=True)


def test_many_who_wait_share_the_question_for_the_queue(mock_slurm):
    """Its order is asked for once."""
    numbers = [mock_slurm.sbatch("sleep infinity", "--partition=debug", "--exclusive") for _ in range(6)]
    spawners = [make_spawner(job_id=str(number)) for number in numbers]

    async def scenario():
        await asyncio.gather(*(spawner.query_job_status(max_age=0) for spawner in spawners))
        await asyncio.gather(*(anext(spawner.progress()) for spawner in spawners))

    asyncio.run(scenario())
    assert len([call for call in mock_slurm.calls("squeue") if "PENDING" in call["argv"]]) == 1
    mock_slurm.run("scancel", *map(str, numbers), check=True)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("None", "has not looked"), ("Resources", "first in line"), ("Priority", "ahead in the queue"),
        ("BeginTime", "start later"), ("Dependency", "another job"), ("JobHeldUser", "its owner"),
        ("JobHeldAdmin", "administrator"), ("PartitionDown", "starts none"), ("AssocGrpCpuLimit", "(AssocGrpCpuLimit)"),
        ("ReqNodeNotAvail, UnavailableNodes:gpu2", "not available"), ("SomethingNew", "(SomethingNew)"),
        ("PartitionTimeLimit", "ask for less time"),
    ],
)  # fmt: skip
def test_every_reason_has_words(reason, words):
    """Also one that no list has."""
    assert words in why_waiting(reason)


@pytest.mark.parametrize(
    "reason",
    ["None", "Resources", "Priority", "PartitionDown", "JobHeldUser", "QOSMaxCpuPerUserLimit", "AssocGrpCpuLimit"],
)
def test_what_can_pass_is_not_impossible(reason):
    """Such a job waits."""
    assert why_impossible(reason) == ""


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("TIMEOUT", "TimeLimit", "time was over"),
        ("FAILED", "JobLaunchFailure", "folder"),
        ("OUT_OF_MEMORY", "OutOfMemory", "memory"),
        ("COMPLETED", "None", ""),
    ],
)
def test_every_end_has_words(state, reason, words):
    """As the rest of a sentence."""
    assert words in why_ended(JOB._replace(state=state, reason=reason))


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("TIMEOUT", "TimeLimit", "its time was over"),
        ("NODE_FAIL", "NodeDown", "its node failed"),
        ("COMPLETED", "None", ""),
    ],
)
def test_why_a_server_ended_outlives_it(mock_slurm, state, reason, words):
    """The hub forgets the job, and keeps why it ended until the next start."""
    line = f"7//{state}//n1//{getpass.getuser()}//cpu//1//N/A//{reason}//1:00//spawner-jupyterhub\n"
    mock_slurm.faults.fail("squeue", code=0, out=line, err="")
    spawner = make_spawner(job_id="7")
    assert asyncio.run(spawner.poll()) == 1
    spawner.clear_state()
    later = make_spawner()
    later.load_state(spawner.get_state())
    assert asyncio.run(later.poll()) == 1
    assert later.last_end == words


def test_why_a_start_failed_outlives_it(mock_slurm):
    """The hub forgets the job, and keeps why there is no server until the next start; without the output."""
    line = f"7//FAILED//n1//{getpass.getuser()}//cpu//1//N/A//NonZeroExitCode//1:00//spawner-jupyterhub\n"
    mock_slurm.faults.fail("squeue", code=0, out=line, err="")
    spawner = make_spawner(job_id="7")
    with pytest.raises(JobEndedError):
        asyncio.run(spawner._until_served())
    spawner.clear_state()
    later = make_spawner()
    later.load_state(spawner.get_state())
    assert later.last_failure == "The job ended before its server could be reached: its script ended with an error."
    assert later.last_end == ""


def test_a_start_that_was_stopped_has_not_failed(mock_slurm):
    """Its job was cancelled on purpose."""
    line = f"7//CANCELLED//n1//{getpass.getuser()}//cpu//1//N/A//None//1:00//spawner-jupyterhub\n"
    mock_slurm.faults.fail("squeue", code=0, out=line, err="")
    spawner = make_spawner(job_id="7")
    spawner._stop_wanted = True
    with pytest.raises(JobEndedError):
        asyncio.run(spawner._until_served())
    assert spawner.last_failure == ""


def test_a_start_whose_stop_is_over_has_not_failed(mock_slurm, monkeypatch):
    """As when the hub ends all its servers and goes: the job has been forgotten when the start hears of its end."""
    spawner = make_spawner(job_id="7")

    async def stopped_meanwhile(**_):
        spawner.clear_state()
        return JobStatus.NOTFOUND

    monkeypatch.setattr(spawner, "query_job_status", stopped_meanwhile)
    with pytest.raises(JobEndedError):
        asyncio.run(spawner._until_served())
    assert "last_failure" not in spawner.get_state()


def test_a_stop_is_no_end_of_which_pages_tell(mock_slurm):
    """Also when the hub was asking for the job while the server was stopped and forgotten."""
    line = f"7//CANCELLED//n1//{getpass.getuser()}//cpu//1//N/A//None//1:00//spawner-jupyterhub\n"
    mock_slurm.faults.fail("squeue", code=0, out=line, err="")
    spawner = make_spawner(job_id="7")

    async def scenario():
        polling = asyncio.ensure_future(spawner.poll())
        await asyncio.sleep(0)  # it has asked and waits
        spawner.clear_state()
        return await polling

    assert asyncio.run(scenario()) == 1
    assert spawner.last_end == ""


def test_held_jobs_and_other_partitions_are_not_in_line():
    """The place is among those who would start next."""
    others = [
        JOB._replace(number="1", priority=200), JOB._replace(number="2", priority=300, reason="JobHeldUser"),
        JOB._replace(number="3", priority=300, partition="gpu"), JOB._replace(number="9"),
    ]  # fmt: skip
    assert position(JOB, {job.number: job for job in [*others, JOB]}) == 2
    assert position(JOB._replace(number="2", reason="JobHeldUser"), {job.number: job for job in others}) is None


def test_an_estimate_is_said_as_a_person_says_it():
    """Slurm's N/A is none."""
    assert estimated_start(JOB._replace(start="2026-11-21T22:10:16")) == "Saturday 22:10"
    assert estimated_start(JOB) == ""


def test_the_end_of_an_output_is_short():
    """Twenty lines."""
    assert last_lines("\n".join(map(str, range(50)))).splitlines() == [str(number) for number in range(30, 50)]
