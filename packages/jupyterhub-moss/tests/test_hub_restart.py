"""A real hub that is killed or stopped while servers start, run and stop, and one whose Slurm is silent: no server is lost."""

from contextlib import closing
from pathlib import Path

import pytest
from lone_cluster import guarded_cluster
from running_hub import Hub, Visitor

from pentad_services.guard import ProcessGuard

ENVIRONMENT = {"default": {"description": "Tiny"}}
PARTITIONS = {"cpu": {"jupyter_environments": ENVIRONMENT}, "debug": {"jupyter_environments": ENVIRONMENT}}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A cluster whose commands are patient: a frozen one waits until the end of the freeze."""
    with guarded_cluster(tmp_path_factory.mktemp("slurm"), {"message_timeout": 300}) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def hub(slurm, tmp_path_factory):
    with ProcessGuard() as guard:
        hub = Hub(
            tmp_path_factory.mktemp("hub"),
            slurm.environ,
            guard=guard,
            partitions=PARTITIONS,
            tiny_servers=True,
            spawner={"submission_wait": 5, "queue_interval": 1},
            slow_spawn_timeout=0,
        )
        hub.start()
        yield hub
        hub.kill()


@pytest.fixture
def home(hub):
    return Path(hub.settings["home"])


def live_jobs(slurm):
    """The ids of all jobs that wait or run, by what identifies a server's job: the name."""
    lines = slurm.run("squeue", "-h", "-a", "-t", "PENDING,RUNNING", "-o", "%i %j", check=True).stdout.splitlines()
    return [line.split() for line in lines]


def job_of(hub, slurm, user):
    """The only job of the user's server: the hub's record and Slurm's agree."""
    state = hub.state(user)
    (number,) = [number for number, name in live_jobs(slurm) if name == state["job_name"]]
    assert number == state["job_id"]
    return int(number)


def start(hub, user, **options):
    answer = hub.api("POST", f"/users/{user}")
    assert answer.status_code == 201, answer.text
    answer = hub.api("POST", f"/users/{user}/server", json={"partition": "cpu", **options})
    assert answer.status_code == 202, answer.text


def test_after_kill_9_in_every_phase_each_server_has_exactly_one_job(hub, slurm, home):
    """Submitting, waiting in the queue, before and after the port was reported, running, and being stopped."""
    blocker = slurm.sbatch("sleep infinity", "--partition=debug", "--exclusive", "--output=/dev/null")
    slurm.wait_for(blocker, "RUNNING")
    # running, and then being stopped: Slurm loses the scancel
    for user in ("running", "stopping"):
        start(hub, user)
    for user in ("running", "stopping"):
        hub.ready(user)
    slurm.faults.freeze("scancel", lost=True)
    assert hub.api("DELETE", "/users/stopping/server").status_code in {202, 204}
    hub.wait_for(lambda: slurm.faults.count()["frozen"], "scancel was asked")
    slurm.faults.clear()
    # in the queue
    start(hub, "queued", partition="debug")
    # before the port is reported, and before the server answers
    (home / "wait-report-reporting").touch()
    (home / "wait-answer-answering").touch()
    start(hub, "reporting")
    start(hub, "answering")
    for step in ("report-reporting", "answer-answering"):
        hub.wait_for((home / f"reached-{step}").exists, f"a server reached {step}")
    # with sbatch under way
    hub.wait_for(lambda: hub.state("queued").get("job_id"), "the job is in the queue")
    slurm.faults.freeze("sbatch")
    frozen = slurm.faults.count()["frozen"]
    start(hub, "submitting")
    hub.wait_for(lambda: slurm.faults.count()["frozen"] > frozen, "sbatch was asked")
    before = {user: hub.state(user)["job_id"] for user in ("running", "queued", "reporting", "answering")}

    hub.kill()
    slurm.faults.clear()  # what was frozen is carried out now: the job that nobody heard of
    hub.wait_for(lambda: any(n == hub.state("submitting")["job_name"] for _, n in live_jobs(slurm)), "it is there")
    (home / "wait-report-reporting").unlink()
    (home / "wait-answer-answering").unlink()
    hub.start()
    slurm.run("scancel", str(blocker), check=True)

    users = ("running", "queued", "reporting", "answering", "submitting")
    for user in users:
        hub.ready(user)
    hub.gone("stopping")
    jobs = {user: job_of(hub, slurm, user) for user in users}
    assert {user: str(jobs[user]) for user in before} == before, "the same jobs as before"
    assert sorted(int(number) for number, _ in live_jobs(slurm)) == sorted(jobs.values()), "and no other job"


def test_while_slurm_is_silent_every_page_says_so_and_servers_are_kept(hub, slurm):
    """The banner comes after the second question without an answer and goes with the outage."""

    def banner():
        return "scheduler does not answer" in hub.client.get(f"{hub.url}/hub/login").text

    start(hub, "kept")
    hub.ready("kept")
    assert not banner()
    slurm.faults.munge_down()
    hub.wait_for(banner, "the banner is shown")
    assert hub.server("kept")["ready"]
    slurm.faults.clear()
    hub.wait_for(lambda: not banner(), "the banner is gone")
    assert hub.server("kept")["ready"]
    job_of(hub, slurm, "kept")


def test_while_slurm_hangs_the_hubs_pages_do_not(hub, slurm):
    """The home page is answered, and the banner comes, though no question has failed yet."""
    start(hub, "waited-for")
    hub.ready("waited-for")
    with closing(Visitor(hub, "waited-for")) as visitor:
        slurm.freeze()
        try:
            assert visitor.get("/hub/home", timeout=30).status_code == 200
            hub.wait_for(lambda: "scheduler does not answer" in visitor.get("/hub/home", timeout=30).text, "the banner")
        finally:
            slurm.thaw()
        hub.wait_for(lambda: "scheduler does not answer" not in visitor.get("/hub/home").text, "the banner is gone")
    assert hub.server("waited-for")["ready"]


def test_pages_tell_what_became_of_a_server(hub, slurm):
    """That it is suspended, and why it ended that its user did not stop; a new start is told nothing of that."""
    start(hub, "told")
    hub.ready("told")
    number = str(job_of(hub, slurm, "told"))
    with closing(Visitor(hub, "told")) as visitor:

        def tells(words, page="/hub/home"):
            hub.wait_for(lambda: words in visitor.get(page).text, words)

        tells("Your server ends in")
        slurm.run("scontrol", "suspend", number, user="root", check=True)
        tells("Your server is suspended")
        slurm.run("scontrol", "resume", number, user="root", check=True)
        tells("Your server ends in")
        assert "is suspended" not in visitor.get("/hub/home").text
        slurm.run("scancel", number, user="root", check=True)
        hub.gone("told")
        tells("Your server ended: it was cancelled.")
        assert "it was cancelled" in visitor.get("/hub/user/told/lab").text
        assert hub.api("POST", "/users/told/server", json={"partition": "cpu"}).status_code == 202
        hub.ready("told")
        assert hub.api("DELETE", "/users/told/server").status_code in {202, 204}
        hub.gone("told")
        assert "it was cancelled" not in visitor.get("/hub/home").text


def test_a_hub_that_is_stopped_in_good_order_leaves_no_job(hub, slurm):
    """Neither of a server that runs nor of one that waits: it stops its servers, unless it is told to leave them."""
    start(hub, "runs")
    start(hub, "waits", options="--begin=now+3600")
    hub.ready("runs")
    hub.wait_for(lambda: hub.state("waits").get("job_id"), "the job is in the queue")
    hub.stop()  # the last test of this module: to start it once more would show nothing new
    assert live_jobs(slurm) == []
    assert [hub.state(user) for user in ("runs", "waits")] == [{}, {}]
