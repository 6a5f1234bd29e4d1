"""The server's API token reaches the job and nothing else: no log line, no job script, no answer."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the server's environment from /proc")


def environments_of(user):
    """The environments of this user's processes."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            pairs = (process / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        variables = dict(pair.partition("=")[::2] for pair in pairs)
        if variables.get("JUPYTERHUB_USER") == user:
            found.append(variables)
    return found


def tokens_of(user):
    """The API tokens in them."""
    return {variables.get("JUPYTERHUB_API_TOKEN", "") for variables in environments_of(user)} - {""}


def test_the_token_of_a_server_is_in_no_log_and_in_no_job_script(hub, owner, slurm):
    """At the level DEBUG, where the job script itself is logged; nor in what Slurm tells others of the job."""
    (token,) = tokens_of(owner)
    log = hub.log_text()
    assert "Job script of" in log, "the log is at the level that shows most"
    assert token not in log
    number = hub.state(owner)["job_id"]
    assert token not in slurm("scontrol", "show", "job", number)
    assert token not in slurm("scontrol", "write", "batch_script", number, "-")
    outputs = [path.read_text() for path in Path(hub.settings["home"]).glob("slurm-*.out")]
    assert outputs
    assert token not in "".join(outputs)
    assert token not in hub.api("GET", f"/users/{owner}").text


def test_what_the_hub_itself_holds_stays_with_it(hub, owner, slurm):
    """The proxy's token, the keys of cookies and of stored state: in no job, no script, no log, no list of jobs."""
    number = hub.state(owner)["job_id"]
    environments = environments_of(owner)
    assert environments
    places = [
        str(environments),
        slurm("scontrol", "show", "job", number),
        slurm("scontrol", "write", "batch_script", number, "-"),
        hub.log_text(),
        hub.api("GET", f"/users/{owner}").text,
    ]
    shown = [name for name, value in hub.credentials.items() if any(value in place for place in places)]
    assert shown == []


@pytest.mark.parametrize(
    ("report", "status"),
    [({"port": 4711}, 409), ({"port": 4711, "ip": "10.0.0.1"}, 400), ({"port": 80}, 400), ([], 400)],
)
def test_a_running_server_cannot_change_where_the_hub_sends_its_visitors(hub, owner, report, status):
    """With its own token: a port is taken only while the server starts, and nothing but a port at any time."""
    (token,) = tokens_of(owner)
    before, logged = hub.state(owner), len(hub.log_text())
    answer = hub.api("POST", "/batchspawner", json=report, headers={"Authorization": f"token {token}"})
    assert answer.status_code == status
    assert hub.state(owner) == before
    assert hub.server(owner)["ready"]
    assert "Refused a port report of the default server" in hub.log_text()[logged:]


def test_a_server_learns_how_long_it_has_with_its_own_token_only(hub, owner):
    """Half an hour was asked for; a service's token is no server's."""
    (token,) = tokens_of(owner)
    headers = {"Authorization": f"token {token}"}
    told = hub.wait_for(
        lambda: (answer := hub.api("GET", "/moss/time-left", headers=headers).json())["seconds_left"] and answer,
        "the hub has seen the job run",
    )
    assert 0 < told["seconds_left"] <= 1800
    assert told["warn_minutes"] == 10
    assert hub.api("GET", "/moss/time-left").status_code == 403
