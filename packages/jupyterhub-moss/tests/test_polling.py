"""What servers learn of their jobs, on the mock Slurm."""

import asyncio
import getpass
import json
import os
import time
from contextlib import contextmanager

import pytest
from batchspawner import JobStatus
from lone_spawner import forget_all, make_spawner

from jupyterhub_moss import poller as poller_module
from jupyterhub_moss.command_backend import CommandBackend
from jupyterhub_moss.commands import run
from jupyterhub_moss.jobs import read_jobs
from jupyterhub_moss.poller import JobPoller
from jupyterhub_moss.polling import shared_pollers

SERVERS = 1000
STALL = 0.05


def ask(spawner, **options):
    return asyncio.run(spawner.query_job_status(**{"max_age": 0, **options}))


def listed(numbers, state="RUNNING", name="spawner-jupyterhub"):
    """What squeue prints of such jobs."""
    owner = getpass.getuser()
    return "".join(f"{number}//{state}//n1//{owner}//cpu//1//N/A//None//1:00:00//{name}\n" for number in numbers)


class Loop:
    """What one turn of the event loop does: the most polls that it answers, and the longest time it takes."""

    def __init__(self):
        self.answered = self.most = 0
        self.longest = 0.0

    async def poll(self, spawner):
        answer = await spawner.poll()
        self.answered += 1
        return answer

    async def watch(self):
        before, since = self.answered, time.perf_counter()
        while True:
            await asyncio.sleep(0)
            self.most = max(self.most, self.answered - before)
            self.longest = max(self.longest, time.perf_counter() - since)
            before, since = self.answered, time.perf_counter()


async def poll_all(spawners, loop):
    """Poll as the hub does, each spawner by a timer of its own."""
    polls = []
    for position, spawner in enumerate(spawners):
        polls.append(asyncio.ensure_future(loop.poll(spawner)))
        if position % 20 == 0:
            await asyncio.sleep(0)
    return await asyncio.gather(*polls)


def test_a_thousand_servers_ask_slurm_once_in_an_interval(mock_slurm):
    """They share one squeue, whenever in the interval they ask, and the hub serves others while they learn the answer.

    MOSS_TEST_STALL=1 demands the figure for a machine with nothing else to do: no stall of 50 ms.
    """
    numbers = [str(number) for number in range(1, SERVERS + 1)]
    mock_slurm.faults.fail("squeue", code=0, out=listed(numbers), err="")
    spawners = [make_spawner(f"user{number}") for number in numbers]
    for spawner, number in zip(spawners, numbers, strict=True):
        spawner.load_state({"job_id": number})
    loop = Loop()

    async def scenario():
        watcher = asyncio.ensure_future(loop.watch())
        began = time.monotonic()
        answers = [answer for _ in range(4) for answer in await poll_all(spawners, loop)]
        watcher.cancel()
        return answers, time.monotonic() - began

    answers, seconds = asyncio.run(scenario())
    assert answers == [None] * 4 * SERVERS
    assert {spawner.job_status for spawner in spawners} == {"RUNNING n1"}
    assert len(mock_slurm.calls("squeue")) <= 1 + seconds // spawners[0].queue_interval
    # fifty of those who waited for the answer, beside those who ask when it is there already
    assert loop.most <= SERVERS // 10, "the answer is not handed to all at once"
    if os.environ.get("MOSS_TEST_STALL"):
        assert loop.longest < STALL


def test_who_asks_is_answered_though_the_job_is_forgotten_meanwhile():
    """Of two stops of one server the first forgets the job; the other asks once for it and not for ever."""
    poller, questions = JobPoller(), []

    async def ask(numbers):
        questions.append(list(numbers))
        if len(questions) > 2:
            raise RuntimeError("asked for ever")
        return {}

    async def scenario():
        poller.expect("8")  # of another server: without any there is nothing to ask
        asking = asyncio.ensure_future(poller.look_up("7", ask, max_age=0.2))
        await asyncio.sleep(0)  # it waits for the question to be asked
        poller.forget("7")
        return await asking

    assert asyncio.run(scenario()) == (None, None)
    assert questions == [["8"], ["7", "8"]]


@pytest.mark.parametrize("turns", range(4))
def test_a_command_that_is_just_starting_keeps_no_hub_from_ending(turns):
    """A hub that is told to stop cancels whatever its event loop has to do, at any turn of it, and waits for that."""

    async def scenario():
        starting = asyncio.ensure_future(run("sleep infinity", given=None, env=os.environ))
        for _ in range(turns):
            await asyncio.sleep(0)
        everything = asyncio.all_tasks() - {asyncio.current_task()}
        assert starting in everything
        for task in everything:
            task.cancel()
        done, _ = await asyncio.wait(everything, timeout=60)
        return done == everything

    assert asyncio.run(scenario())


@pytest.mark.parametrize(
    "state", ["SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT", "COMPLETING", "RUNNING"]
)
def test_a_job_in_any_live_state_is_a_running_server(mock_slurm, state):
    """A suspended job is alive."""
    mock_slurm.faults.fail("squeue", code=0, out=listed(["7"], state), err="")
    assert ask(make_spawner(job_id="7")) is JobStatus.RUNNING


def test_a_really_suspended_job_is_a_running_server(mock_slurm, job):
    """As after `scontrol suspend`."""
    mock_slurm.run("scontrol", "suspend", job, user="root", check=True)
    mock_slurm.wait_for(int(job), "SUSPENDED")
    spawner = make_spawner(job_id=job)
    assert ask(spawner) is JobStatus.RUNNING
    assert spawner.job_status.startswith("SUSPENDED ")


def test_a_state_that_no_list_has_means_that_nobody_knows(mock_slurm):
    """A word of a newer Slurm ends no server."""
    mock_slurm.faults.fail("squeue", code=0, out=listed(["7"], "HIBERNATING"), err="")
    assert ask(make_spawner(job_id="7")) is JobStatus.UNKNOWN


def frozen(cluster):
    cluster.faults.freeze()


def without_authentication(cluster):
    cluster.faults.munge_down()


def with_words_nobody_knows(cluster):
    cluster.faults.fail("squeue", err="squeue: the moon is in the wrong house\n")


def silent(cluster):
    cluster.faults.fail("squeue", err="", code=137)


def with_lines_nobody_can_read(cluster):
    cluster.faults.fail("squeue", code=0, out="RUNNING cpu1\n", err="")


@pytest.mark.parametrize(
    "spoil", [frozen, without_authentication, with_words_nobody_knows, silent, with_lines_nobody_can_read]
)
def test_a_question_without_an_answer_ends_no_server(mock_slurm, job, spoil, impatience, monkeypatch):
    """Whatever squeue says instead of an answer, the server counts as running, and is found again afterwards."""
    spawner = make_spawner(job_id=job)
    assert ask(spawner) is JobStatus.RUNNING
    spoil(mock_slurm)
    impatience()
    assert ask(spawner) is JobStatus.UNKNOWN
    assert asyncio.run(spawner.poll()) is None
    mock_slurm.faults.clear()
    monkeypatch.setenv("MOCK_SLURM_MESSAGE_TIMEOUT", mock_slurm.environ["MOCK_SLURM_MESSAGE_TIMEOUT"])
    forget_all()
    assert ask(spawner) is JobStatus.RUNNING


def test_an_ended_job_is_a_stopped_server(mock_slurm, job):
    """Once Slurm says so."""
    spawner = make_spawner(job_id=job)
    mock_slurm.run("scancel", job, check=True)
    mock_slurm.wait_for(int(job), "CANCELLED")
    assert ask(spawner) is JobStatus.NOTFOUND
    assert asyncio.run(spawner.poll()) == 1


def test_a_job_that_slurm_has_forgotten_is_a_stopped_server(mock_slurm):
    """Slurm answers that it does not know the id."""
    assert ask(make_spawner(job_id="4711")) is JobStatus.NOTFOUND


def test_a_job_that_the_hub_may_not_see_is_asked_for_in_the_users_name(mock_slurm, job):
    """With PrivateData=jobs the shared answer lacks it; it is confirmed before the server counts as stopped."""
    mock_slurm.faults.fail("squeue", code=0, out="", err="", containing="-t all")
    spawner = make_spawner(job_id=job)
    assert ask(spawner) is JobStatus.RUNNING
    before = len(mock_slurm.calls("squeue"))
    assert ask(spawner) is JobStatus.RUNNING
    assert len(mock_slurm.calls("squeue")) == before + 1, "from then on it is asked for alone"


def test_an_id_that_slurm_gave_to_somebody_else_is_not_this_servers_job(mock_slurm):
    """The owner is compared."""
    mock_slurm.faults.fail("squeue", code=0, out="7//RUNNING//n1//mallory//cpu//1//N/A//None//1:00//x\n", err="")
    assert ask(make_spawner(job_id="7")) is JobStatus.NOTFOUND


def test_a_configured_query_command_is_used_for_each_server(mock_slurm, tmp_path):
    """An existing configuration keeps its own way to ask, and its own expressions."""
    answer = tmp_path / "answer"
    answer.write_text("R node7")
    spawner = make_spawner(
        job_id="7", batch_query_cmd=f"cat {answer}", state_running_re="^R ", state_exechost_re=r"(node\d+)"
    )
    assert ask(spawner) is JobStatus.RUNNING
    assert spawner.state_gethost() == "node7"
    answer.write_text("gone")
    assert ask(spawner) is JobStatus.NOTFOUND
    assert mock_slurm.calls("squeue") == []


def test_configured_expressions_read_the_shared_answer(mock_slurm, job):
    """They see the state and the host, as from batchspawner's command."""
    spawner = make_spawner(job_id=job, state_exechost_exp=r"\1.cluster.example")
    assert ask(spawner) is JobStatus.RUNNING
    assert spawner.state_gethost() == "cpu1.cluster.example"
    assert ask(make_spawner(job_id=job, state_pending_re="^RUNNING", state_running_re="^NEVER")) is JobStatus.PENDING


def test_a_hub_that_asks_another_machine_asks_for_each_server(mock_slurm, tmp_path, job):
    """With ssh as exec_prefix there may be no squeue here; `queue_cmd` says where it is."""
    log = tmp_path / "log"
    elsewhere = tmp_path / "ssh"
    elsewhere.write_text(f'#!/bin/sh\necho "$*" >>{log}\nshift\neval "$*"\n')
    elsewhere.chmod(0o755)
    spawner = make_spawner(job_id=job, exec_prefix=f"{elsewhere} login", req_homedir="/")
    spawner.user.name = getpass.getuser()
    assert ask(spawner) is JobStatus.RUNNING
    assert log.read_text() == f"login squeue -h -j {job} -o %T %B\n"
    spawner.queue_cmd = f"{elsewhere} login squeue"
    assert ask(spawner) is JobStatus.RUNNING
    assert "-t all" in log.read_text().splitlines()[-1]


def test_without_a_squeue_of_its_own_the_hub_asks_in_the_users_name(mock_slurm, job):
    """Where only sudo's PATH has Slurm's commands."""
    spawner = make_spawner(job_id=job, queue_cmd="/no/such/squeue")
    assert ask(spawner) is JobStatus.RUNNING
    assert [call["argv"][:3] for call in mock_slurm.calls("squeue")] == [["-h", "-j", job]]


def test_commands_in_the_users_name_get_nothing_of_the_hubs_environment(mock_slurm, job, monkeypatch, tmp_path):
    """Neither what the hub holds nor the server's token: the user can read a process of their own in /proc."""
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "secret-of-the-hub")
    out = tmp_path / "environment"
    spawner = make_spawner(job_id=job, batch_cancel_cmd=f"env >{out}", api_token="secret-of-the-server")
    asyncio.run(spawner.cancel_batch_job())
    assert "PATH=" in out.read_text()
    assert "secret-of" not in out.read_text()


def test_during_an_outage_slurm_is_asked_less_often_and_every_page_says_so(mock_slurm, job):
    """The pauses grow; the banner stands below the administrator's own announcement and goes with the outage."""
    settings = {"template_vars": {"announcement": "Maintenance on Friday"}}
    spawner = make_spawner(job_id=job, settings=settings)

    async def scenario():
        for _ in range(100):
            assert await spawner.query_job_status(max_age=0) is JobStatus.UNKNOWN
        return len(mock_slurm.calls("squeue"))

    mock_slurm.faults.fail("squeue", err="slurm_load_jobs error: Unable to contact slurm controller\n")
    assert asyncio.run(scenario()) == 1, "a hundred polls within the first pause"
    (poller,) = shared_pollers.values()
    pauses = []
    for _ in range(8):
        pauses.append(poller._pause)
        poller._paused_until = 0.0
        assert ask(spawner) is JobStatus.UNKNOWN
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    announcement = settings["template_vars"]["announcement"]
    assert announcement.startswith("Maintenance on Friday<br>")
    assert "does not answer" in announcement
    mock_slurm.faults.clear()
    poller._paused_until = 0.0
    assert ask(spawner) is JobStatus.RUNNING
    assert settings["template_vars"] == {"announcement": "Maintenance on Friday"}


@pytest.fixture
def hung_slurm(mock_slurm):
    """Call it, and nothing is answered until the end of the block; what was asked is answered then."""

    @contextmanager
    def hung_slurm():
        mock_slurm.freeze()
        try:
            yield
        finally:
            mock_slurm.thaw()

    return hung_slurm


def test_a_page_does_not_wait_for_a_slurm_that_hangs(mock_slurm, job, hung_slurm):
    """It is answered while the question has no answer, which reaches the hub all the same when it comes."""
    mock_slurm.run("scancel", job, check=True)
    mock_slurm.wait_for(int(job), "CANCELLED")
    spawner, ended = make_spawner(job_id=job), []
    spawner.add_poll_callback(ended.append, "ended")
    asked = len(mock_slurm.calls("squeue"))

    async def scenario():
        with hung_slurm():
            start = asyncio.ensure_future(spawner.query_job_status(max_age=0))
            pages = [await asyncio.wait_for(spawner.poll_and_notify(), 30) for _ in range(2)]
            assert (pages, ended) == ([None, None], [])
            assert not start.done(), "who starts or stops a server is patient"
        assert await start is JobStatus.NOTFOUND
        await spawner._poll

    asyncio.run(scenario())
    assert ended == ["ended"]
    assert len(mock_slurm.calls("squeue")) == asked + 1, "all shared one question"


class Variables(dict):
    """The hub's template variables, of which one can wait for a change."""

    def __init__(self):
        super().__init__(announcement="")
        self.changed = asyncio.Event()

    def __setitem__(self, name, value):
        super().__setitem__(name, value)
        self.changed.set()


def test_a_question_that_hangs_shows_the_banner_before_it_fails(job, hung_slurm, monkeypatch):
    """While Slurm hangs, the second failure in a row comes after most of a minute."""
    monkeypatch.setattr(poller_module, "_OUTAGE_SECONDS", 0.1)
    variables = Variables()
    spawner = make_spawner(job_id=job, settings={"template_vars": variables})

    async def scenario():
        with hung_slurm():
            asking = asyncio.ensure_future(spawner.query_job_status(max_age=0))
            await asyncio.wait_for(variables.changed.wait(), 60)
            assert "does not answer" in variables["announcement"]
            assert not asking.done()
        assert await asking is JobStatus.RUNNING

    asyncio.run(scenario())
    assert variables == {"announcement": ""}, "it goes with the answer"


def test_a_name_with_the_separator_in_it_is_read(mock_slurm):
    """Anything may stand in a job's name; it cannot shift another field."""
    name = "x//RUNNING//root " + json.dumps("y")
    number = mock_slurm.sbatch("sleep infinity", f"--job-name={name}", "--hold")
    spawner = make_spawner(job_id=str(number))
    assert ask(spawner) is JobStatus.PENDING
    assert spawner._job_facts.name == name
    assert spawner._job_facts.reason == "JobHeldUser"


@pytest.mark.parametrize("answered", ["", "COMPLETED", "RUNNING"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_late_answer_about_an_earlier_start_says_nothing_of_the_next(monkeypatch, answered, alone):
    """Slurm hangs, the user stops the server and starts it again: what Slurm says then of the first job ends nothing."""
    may_answer = asyncio.Event()

    async def jobs(_backend, numbers):
        await may_answer.wait()
        return read_jobs(listed(numbers, answered)) if answered else {}

    async def state_and_host(_backend, _number):
        await may_answer.wait()
        return f"{answered} n1"

    monkeypatch.setattr(CommandBackend, "jobs", jobs)
    monkeypatch.setattr(CommandBackend, "state_and_host", state_and_host)
    forget_all()
    spawner = make_spawner()
    spawner.load_state({"job_id": "1"})
    spawner._unseen_by_hub = alone

    async def scenario():
        poll = asyncio.ensure_future(spawner.poll())
        await asyncio.sleep(0)
        spawner.clear_state()
        spawner.load_state({"job_id": "2"})
        spawner.job_status = "RUNNING n2"
        may_answer.set()
        assert await poll is None
        assert (spawner.job_id, spawner.job_status, spawner._job_facts) == ("2", "RUNNING n2", None)

    asyncio.run(scenario())
