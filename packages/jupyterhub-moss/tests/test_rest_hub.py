"""A real hub that reaches Slurm by slurmrestd alone: no command of Slurm's is on its PATH."""

import os
from pathlib import Path

import pytest
from running_hub import Hub

from jupyterhub_moss.account import own_account
from mock_slurm import MockSlurm
from pentad_services.guard import ProcessGuard

PARTITIONS = {"cpu": {"jupyter_environments": {"default": {"description": "Tiny"}}}}
COMMANDS = {"sbatch", "squeue", "scancel", "sinfo", "scontrol"}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with MockSlurm(tmp_path_factory.mktemp("slurm"), rest_port=0) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def hub(slurm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with ProcessGuard() as guard:
        hub = Hub(
            folder,
            {"PATH": os.environ["PATH"]},
            guard=guard,
            partitions=PARTITIONS,
            tiny_servers=True,
            spawner={
                "slurm_rest_url": slurm.rest_url,
                "slurm_jwt_key": f"file:{slurm.jwt_key}",
                # one account for all users: that of the tests
                "slurm_rest_user": own_account(),
                "exec_prefix": "there-is-no-such-program",
                "submission_wait": 5,
                "queue_interval": 1,
            },
            slow_spawn_timeout=0,
        )
        hub.start()
        yield hub
        hub.kill()


def live_jobs(slurm):
    """Name and id of every job that waits or runs."""
    lines = slurm.run("squeue", "-h", "-a", "-t", "PENDING,RUNNING", "-o", "%j %i", check=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def start(hub, user):
    assert hub.api("POST", f"/users/{user}").status_code == 201
    answer = hub.api("POST", f"/users/{user}/server", json={"partition": "cpu"})
    assert answer.status_code == 202, answer.text


def test_servers_live_through_kill_9_of_the_hub_and_an_outage(hub, slurm):
    """Started, killed while one is submitted, silent for a while, stopped: each server has its one job, then none."""
    start(hub, "running")
    hub.ready("running")
    home = Path(hub.settings["home"])
    (home / "wait-report-reporting").touch()
    start(hub, "reporting")
    hub.wait_for((home / "reached-report-reporting").exists, "a server is about to report its port")
    slurm.faults.freeze("slurmrestd", containing="submit")
    start(hub, "submitting")
    hub.wait_for(lambda: slurm.faults.count()["frozen"], "a job is being submitted")
    before = {user: hub.state(user)["job_id"] for user in ("running", "reporting")}

    hub.kill()
    slurm.faults.clear()  # the job of which the hub never heard
    hub.wait_for(lambda: hub.state("submitting")["job_name"] in live_jobs(slurm), "it is there")
    (home / "wait-report-reporting").unlink()
    hub.start()

    users = ("running", "reporting", "submitting")
    for user in users:
        hub.ready(user)
    states = {user: hub.state(user) for user in users}
    assert {user: states[user]["job_id"] for user in before} == before
    assert live_jobs(slurm) == {state["job_name"]: state["job_id"] for state in states.values()}

    def banner():
        return "scheduler does not answer" in hub.client.get(f"{hub.url}/hub/login").text

    slurm.faults.munge_down()
    hub.wait_for(banner, "the banner is shown")
    slurm.faults.clear()
    hub.wait_for(lambda: not banner(), "the banner is gone")
    assert all(hub.server(user)["ready"] for user in users)

    for user in users:
        assert hub.api("DELETE", f"/users/{user}/server").status_code in {202, 204}
    for user in users:
        hub.gone(user)
    assert live_jobs(slurm) == {}
    asked = [call for call in slurm.calls() if call["program"] == "slurmrestd"]
    assert {call["argv"][0] for call in asked} == {"GET", "POST", "DELETE"}
    own = {call["program"] for call in slurm.calls()} - {"slurmrestd", "squeue"}
    assert not own & COMMANDS, "this test itself runs squeue, and nothing else is run"
