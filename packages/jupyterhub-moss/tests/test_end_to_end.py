"""A hub, Slurm and a Jupyter server, all real processes."""

import json
import re
from contextlib import closing
from pathlib import Path

import jupyterhub
import pytest
from bs4 import BeautifulSoup
from running_hub import Visitor


def status(hub, name):
    return hub.client.get(f"{hub.url}/user/{name}/api/status", headers={"Authorization": f"token {hub.token}"})


def listening_addresses(port):
    """The addresses, in hexadecimal, on which this machine accepts connections to a port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        address.split(":")[0]
        for _, address, _, state, *_ in rows
        if state == "0A" and int(address.split(":")[1], 16) == port
    }


def test_a_server_requested_with_the_form_runs_as_a_job(hub, owner, slurm):
    """The form starts a Slurm job with what was asked for; its server listens where it should and answers by the hub."""
    job = hub.state(owner)["job_id"]
    shown = slurm("squeue", "-h", "-j", job, "-o", "%T %P %C %l %a %q").split()
    assert shown == ["RUNNING", "cpu", "2", "30:00", "physics", "small"]
    assert status(hub, owner).status_code == 200
    with closing(Visitor(hub, owner)) as visitor:
        assert re.search(r"Your server ends in <strong>\d+ minutes?</strong>", visitor.get("/hub/home").text)
    log = Path(hub.settings["home"], f"slurm-{job}.out").read_text()
    assert listening_addresses(int(re.search(r"http://\S+?:(\d+)/user", log)[1])) == {"0100007F"}


def test_stopping_ends_the_job_and_the_choices_are_remembered(hub, visitor, slurm):
    """The form shows them again, and offers them under the name that was given."""
    answer = visitor.submit(partition="debug", nprocs="2", runtime="0:04:00", keep_as="Two for four minutes")
    assert answer.status_code == 302, answer.text
    hub.ready(visitor.name)
    job = hub.state(visitor.name)["job_id"]
    assert slurm("squeue", "-h", "-j", job, "-o", "%P %C %l").split() == ["debug", "2", "4:00"]
    assert hub.api("DELETE", f"/users/{visitor.name}/server").status_code in {202, 204}
    hub.gone(visitor.name)
    assert job not in slurm("squeue", "-h", "-o", "%i").split()
    page = visitor.spawn_page().text
    assert 'data-remembered="true"' in page
    assert re.search(r'id="nprocs" name="nprocs"\s+value="2"', page)
    page = visitor.spawn_page(**{"opt-choice": "Two for four minutes"}).text
    assert re.search(r'aria-current="true">\s*Two for four minutes', page)
    assert hub.server(visitor.name) is None


def test_a_link_with_plain_resources_starts_a_server(hub, visitor):
    """A link that names only resources and a configured environment starts at once."""
    answer = visitor.get(
        "/hub/spawn",
        params={"opt-partition": "debug", "opt-environment_id": "default"},
        follow_redirects=False,
    )
    assert answer.status_code == 302
    hub.ready(visitor.name)
    assert status(hub, visitor.name).status_code == 200


def test_the_rest_api_starts_a_server_with_few_options(hub, visitor):
    """A REST request that names only a partition gets defaults for the rest."""
    answer = hub.api("POST", f"/users/{visitor.name}/server", json={"partition": "debug"})
    assert answer.status_code in {201, 202}, answer.text
    hub.ready(visitor.name)
    assert status(hub, visitor.name).status_code == 200
    assert "unhandled user_options" not in hub.log_text()


def test_a_link_that_could_run_code_only_fills_in_the_form(hub, onlooker):
    """A link with a path of its author shows the form and starts nothing."""
    answer = onlooker.spawn_page(partition="cpu", environment_path="/home/eve/bin")
    assert answer.status_code == 200
    assert 'value="/home/eve/bin"' in answer.text
    assert "Nothing has been started yet" in answer.text
    assert hub.server(onlooker.name) is None


def test_a_link_on_another_site_only_fills_in_the_form(hub, onlooker):
    """A browser that was sent by another site is asked first, also for plain resources."""
    answer = onlooker.get("/hub/spawn", params={"partition": "cpu"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert "Nothing has been started yet" in answer.text
    assert hub.server(onlooker.name) is None


def test_a_page_reloaded_after_an_error_is_a_plain_form(onlooker):
    """A query that is not about options, like the _xsrf of a submitted form, neither starts nor complains."""
    answer = onlooker.spawn_page(_xsrf="x")
    assert answer.status_code == 200
    assert "spawn-error-msg" not in answer.text
    assert "A link filled in" not in answer.text


def test_a_refused_form_comes_back_filled_in(hub, onlooker):
    """A mistake is answered with 400 (200 by a hub before 5.4), a sentence about it and the values that were typed."""
    answer = onlooker.submit(partition="cpu", nprocs="9999", reservation="", options="--nice=3")
    assert answer.status_code == (400 if jupyterhub.version_info >= (5, 4) else 200)
    assert "9999 CPUs were asked for" in answer.text
    assert 'value="--nice=3"' in answer.text
    assert hub.server(onlooker.name) is None


def test_a_mistake_in_a_form_that_was_loaded_before_the_hub_is_explained(hub, visitor):
    """The hub has not shown this form to anybody since it runs."""
    visitor.get("/hub/home")  # for the cookie of this session
    answer = visitor.post("/hub/spawn", params={"_xsrf": visitor.xsrf}, data={"partition": "cpu", "nprocs": "none"})
    assert answer.status_code == (400 if jupyterhub.version_info >= (5, 4) else 200)
    assert "nprocs: must be a whole number" in answer.text
    assert 'id="moss_form"' in answer.text


@pytest.mark.parametrize(
    "options",
    [
        {"partition": "restricted"},
        {"partition": "cpu", "nprocs": 9999},
        {"partition": "cpu", "reservation": "a b"},
        {"partition": "cpu", "options": "--partition=long"},
        {"partition": "cpu", "root_dir": "/x\ny"},
        {"partition": ["cpu"]},
        {"nprocs": 1},
    ],
)
def test_the_rest_api_refuses_what_the_form_refuses(hub, onlooker, options):
    """Options from the REST API pass the same check: 400 and no job."""
    answer = hub.api("POST", f"/users/{onlooker.name}/server", json=options)
    assert answer.status_code == 400, answer.text
    assert hub.server(onlooker.name) is None


def test_a_script_is_not_taken_from_a_rest_request(hub, visitor, tmp_path, slurm):
    """Keys of the server's own in a REST request change nothing; the server starts without them."""
    marker = tmp_path / "marker"
    injected = f"touch {marker}"
    options = {"partition": "debug", "prologue": injected, "cmd": injected, "srun": injected, "epilogue": injected}
    answer = hub.api("POST", f"/users/{visitor.name}/server", json=options)
    assert answer.status_code in {201, 202}
    hub.ready(visitor.name)
    assert not marker.exists()


def test_slurms_own_sentence_explains_a_refused_job(hub, visitor):
    """When sbatch refuses, the answer says why in Slurm's words."""
    answer = hub.api(
        "POST", f"/users/{visitor.name}/server", json={"partition": "cpu", "options": "--constraint=nosuchfeature"}
    )
    assert answer.status_code == 400
    assert "Invalid feature specification" in answer.json()["message"]


def test_a_server_that_dies_as_it_starts_is_an_error_at_once(hub, visitor):
    """Not after start_timeout; the answer has the last lines of its log."""
    options = {"partition": "cpu", "environment_path": "/no/such/bin", "output": "true"}
    answer = hub.api("POST", f"/users/{visitor.name}/server", json=options)
    assert answer.status_code == 500
    assert "its script ended with an error" in answer.json()["message"]
    assert "/no/such/bin/batchspawner-singleuser" in answer.json()["message"]
    assert hub.server(visitor.name) is None


def test_the_last_lines_of_a_dead_server_are_lines_on_the_hubs_pages(hub, visitor):
    """On the page in its place and in the event of its progress; what looks like HTML in them is text."""
    path = "/no/<b>such</b>/bin"
    options = {"partition": "cpu", "environment_path": path, "output": "true"}
    assert hub.api("POST", f"/users/{visitor.name}/server", json=options).status_code == 500
    page = visitor.get(f"/hub/user/{visitor.name}/lab")
    assert page.status_code == 500
    events = hub.api("GET", f"/users/{visitor.name}/server/progress").text
    (event,) = [json.loads(line.removeprefix("data: ")) for line in events.splitlines() if line.startswith("data:")]
    assert event["failed"]
    for html in (page.text, event["html_message"]):
        (lines,) = BeautifulSoup(html, "html.parser").find_all("pre")
        assert f"{path}/batchspawner-singleuser" in lines.text
        assert lines.find() is None
        assert "its script ended with an error" in html
    assert "did not start" not in page.text, "the hub's page says it already"
    home = visitor.get("/hub/home").text
    assert "Your server did not start. The job ended before its server could be reached" in home
    assert path not in BeautifulSoup(home, "html.parser").text


def test_the_port_report_needs_a_servers_token(hub):
    """Another token is no server's: 403 and nothing changes."""
    assert hub.api("POST", "/batchspawner", json={"port": 8888}).status_code == 403


def test_the_forms_assets_are_served(hub):
    """Style sheet and script are static files of the hub."""
    for name in ("option_form.css", "option_form.js"):
        assert hub.client.get(f"{hub.url}/hub/form/{name}").status_code == 200
