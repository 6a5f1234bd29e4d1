"""One visit in Chromium, on the mock or a real Slurm: log in, choose, watch the queue, work in JupyterLab, be warned, stop.

`nox -s slurm` runs this on a real Slurm. MOSS_TEST_SCREENSHOTS names a folder for pictures.
"""

import os
import re
import time
from pathlib import Path

import pytest

from jupyterhub_moss.timelimit import time_left

# JupyterHub's scripts load after the page has, and until they have, a click on this button does nothing.
LISTENS_FOR_STOP = "() => window.jQuery?._data(document.querySelector('#stop'), 'events')?.click"
WAITING = "The job is first in line"
PATIENCE = int(os.environ.get("MOSS_TEST_PATIENCE", "300")) * 1000


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


@pytest.fixture
def picture(page):
    """Keep what the page looks like, on a phone and on a desk, in both colour schemes."""

    def picture(name):
        if not (folder := os.environ.get("MOSS_TEST_SCREENSHOTS")):
            return
        for width, height in ((390, 844), (1280, 900)):
            page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=Path(folder) / f"visit-{name}-{scheme}-{width}.png")
        page.set_viewport_size({"width": 390, "height": 844})

    return picture


@pytest.fixture
def crowd(slurm):
    """A job that has every V100 of the cluster, so that the visitor has to wait; call it to end it."""
    argv = ["sbatch", "--parsable", "--partition=gpu", "--gres=gpu:V100:2", "--output=/dev/null", "--wrap=sleep 3600"]
    number = slurm(*argv).strip()
    deadline = time.monotonic() + PATIENCE / 1000
    while slurm("squeue", "-h", "-j", number, "-o", "%T").strip() != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    ended = []

    def end():
        if not ended:
            slurm("scancel", number)
        ended.append(number)

    yield end
    end()


@pytest.fixture
def name(hub):
    """A user of this visit's own, whose server is stopped afterwards."""
    yield "visitor"
    hub.api("DELETE", "/users/visitor/server")


def test_a_visit_from_the_login_to_the_stop(hub, slurm, crowd, page, picture, name):
    """A person who knows nothing of Slurm gets a server, learns why it waits, is warned in time, and gives it back."""
    page.goto(f"{hub.url}/hub/spawn")
    page.fill("#username_input", name)
    page.fill("#password_input", "x")
    page.click("#login_submit")
    page.click("text=A V100 with JupyterLab")
    page.wait_for_selector(".moss-js .moss-named-choice[aria-current]")
    assert page.input_value("#gpu_type_simple") == "V100"
    picture("form")
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url("**/hub/spawn-pending/**")
    # the proxy in Python passes an answer on when it is complete: the progress is watched at the hub itself
    page.goto(f"{hub.direct_url}/hub/spawn-pending/{name}")
    page.wait_for_function(f"document.querySelector('#progress-message').textContent.includes('{WAITING}')")
    picture("queue")
    page.goto(f"{hub.url}/hub/spawn-pending/{name}")
    crowd()
    page.wait_for_url(f"**/user/{name}/**")
    page.wait_for_selector(".jp-Launcher")
    picture("lab")
    (job,) = [line.split() for line in jobs_of(slurm, hub, name)]
    assert job[1:] == ["gpu", "2", "gres:gpu:V100:1", "1:00:00"]
    warned_when_an_administrator_shortens_the_job(hub, slurm, page, picture, name, job[0])
    page.goto(f"{hub.url}/hub/home")
    picture("home")
    page.wait_for_function(LISTENS_FOR_STOP)
    assert page.locator(".moss-left").is_visible()
    page.click("#stop")
    hub.gone(name)
    page.locator(".moss-left").wait_for(state="hidden")
    assert not jobs_of(slurm, hub, name)


def jobs_of(slurm, hub, name):
    job_name = hub.state(name).get("job_name", "none")
    return slurm("squeue", "-h", f"--name={job_name}", "-o", "%i %P %C %b %l").splitlines()


def warned_when_an_administrator_shortens_the_job(hub, slurm, page, picture, name, job):
    """The hub's pages and JupyterLab tell the new end."""

    def soon():
        ends_at = re.search(r'data-ends-at="([\d.]+)"', page.request.get(f"{hub.url}/hub/home").text())
        return ends_at and float(ends_at[1]) - time.time() < 600

    assert page.get_by_text("Your server ends in").count() == 0
    run_for = 60 - int(time_left(slurm("squeue", "-h", "-j", job, "-o", "%L").strip())) // 60
    slurm("scontrol", "update", f"jobid={job}", f"timelimit={run_for + 9}", user="root")
    hub.wait_for(soon, "the hub knows the new limit")
    page.reload()
    page.get_by_text(re.compile("Your server ends in [1-9] minutes?")).first.wait_for()
    picture("warning")
    page.goto(f"{hub.url}/hub/token")
    assert "Save your work" in page.inner_text(".moss-left .alert-warning")
