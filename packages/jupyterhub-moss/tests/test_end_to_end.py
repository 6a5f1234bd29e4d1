"""A hub, Slurm and a Jupyter server, all real processes."""

import httpx


def jobs(slurm):
    return slurm("squeue", "-h", "-o", "%i %T").split("\n")[:-1]


def status(hub, name):
    return httpx.get(f"{hub.url}/user/{name}/api/status", headers={"Authorization": f"token {hub.token}"})


def test_a_server_requested_with_the_form_runs_as_a_job_until_it_is_stopped(hub, visitor, slurm):
    """The form starts a Slurm job; its server answers through the hub; stopping ends the job."""
    before = set(jobs(slurm))
    answer = visitor.submit(
        partition="cpu", nprocs="2", runtime="0:30:00", mem="1G", environment_id="default", output="true"
    )
    assert answer.status_code == 302, answer.text
    hub.ready(visitor.name)
    (job,) = set(jobs(slurm)) - before
    assert job.endswith("RUNNING")
    assert status(hub, visitor.name).status_code == 200
    assert slurm("squeue", "-h", "-j", job.split()[0], "-o", "%P %C %l").split() == ["cpu", "2", "30:00"]
    assert hub.api("DELETE", f"/users/{visitor.name}/server").status_code in {202, 204}
    hub.gone(visitor.name)
    assert not set(jobs(slurm)) - before


def test_a_link_with_plain_resources_starts_a_server(hub, visitor):
    """A link that names only resources and a configured environment starts at once."""
    answer = visitor.get(
        "/hub/spawn",
        params={"opt-partition": "cpu", "opt-environment_id": "default"},
        follow_redirects=False,
    )
    assert answer.status_code == 302
    hub.ready(visitor.name)
    assert status(hub, visitor.name).status_code == 200


def test_the_rest_api_starts_a_server_with_few_options(hub, visitor):
    """A REST request that names only a partition gets defaults for the rest."""
    answer = hub.api("POST", f"/users/{visitor.name}/server", json={"partition": "cpu"})
    assert answer.status_code in {201, 202}, answer.text
    hub.ready(visitor.name)
    assert status(hub, visitor.name).status_code == 200
