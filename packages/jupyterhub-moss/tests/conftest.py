import getpass
import os
import secrets
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # running_hub is a module of these tests

from lone_cluster import cluster, impatience, job, mock_slurm  # noqa: F401  # fixtures
from rest_cluster import cluster_by_rest, rest_mock  # noqa: F401  # fixtures
from running_hub import Hub, Visitor

# how fast the machine is, is not what is tested
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

ENVIRONMENT = {"description": "This Python", "path": str(Path(sys.executable).parent)}
# its server is there at once, and does nothing but answer
TINY = {"description": "Tiny", "path": str(Path(__file__).with_name("tiny_environment"))}
LAB = {
    "description": "JupyterLab",
    "path": str(Path(sys.executable).parent),
    # with its extensions, unlike the others: see hub_config
    "prologue": "unset JUPYTERHUB_SINGLEUSER_APP JUPYTER_NO_CONFIG",
}
PARTITIONS = {
    "cpu": {"description": "CPU nodes", "architecture": "x86_64", "jupyter_environments": {"default": ENVIRONMENT}},
    "gpu": {"description": "GPU nodes", "jupyter_environments": {"default": ENVIRONMENT, "lab": LAB}},
    "debug": {"simple": False, "jupyter_environments": {"default": TINY}},
}
DESK = {"width": 1280, "height": 900}
PATIENCE = 300_000  # milliseconds, on any machine
CHOICES = {
    "queue_interval": 1,
    "start_timeout": 1200,  # of a slow machine, and of a queue that a test makes
    "http_timeout": 1200,
    "profiles": {
        "Small": {"description": "a first look", "partition": "cpu", "nprocs": 2, "runtime": "2:00:00"},
        "A V100 with JupyterLab": {
            "partition": "gpu", "nprocs": 2, "ngpus": 1, "gpu_type": "V100", "runtime": "1:00:00", "environment_id": "lab", "output": True,
        },
    },
    "slurm_accounts_cmd": f"printf '{getpass.getuser()}|%s\\n' 'physics||normal,small' 'chemistry||normal'",
}  # fmt: skip


@pytest.fixture(scope="session")
def hub(slurm_service, tmp_path_factory):
    hub = Hub(tmp_path_factory.mktemp("hub"), slurm_service.environ, partitions=PARTITIONS, spawner=CHOICES)
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def visitor(hub, request):
    """A user of this test's own; the server is stopped afterwards."""
    name = "u" + format(abs(hash(request.node.nodeid)), "x")
    visitor = Visitor(hub, name)
    yield visitor
    visitor.close()
    if hub.api("GET", f"/users/{name}").status_code == 200:
        hub.api("DELETE", f"/users/{name}/server")
        hub.gone(name)


@pytest.fixture(scope="session")
def owner(hub):
    """The name of a user whose server, a real Jupyter server, runs while tests look at it."""
    # found in /proc by this name, where other tests' servers are at the same time
    name = f"owner-{secrets.token_hex(4)}"
    with closing(Visitor(hub, name)) as visitor:
        answer = visitor.submit(
            **{"partition": "cpu", "nprocs": "2", "runtime": "0:30:00", "mem": "1G", "environment_id": "default"},
            **{"output": "true", "account": "physics", "qos": "small"},
        )
    assert answer.status_code == 302, answer.text
    hub.ready(name)
    yield name
    hub.api("DELETE", f"/users/{name}/server")
    hub.gone(name)


@pytest.fixture
def slurm(slurm_service):
    """Run a Slurm command and return its output; `user` is who the mock takes for its caller."""

    def run(*argv, user=None):
        environ = {**os.environ, **slurm_service.environ, **({"MOCK_SLURM_USER": user} if user else {})}
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
        return done.stdout

    return run


@pytest.fixture(scope="module")
def usual_page(chromium):
    """One page for all tests: a new one would be a new process each time."""
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


@pytest.fixture(scope="module")
def onlooker(hub, request):
    """A user who looks at the form and starts nothing."""
    visitor = Visitor(hub, f"onlooker-{request.module.__name__.rpartition('.')[2].replace('_', '-')}")
    yield visitor
    visitor.close()


@pytest.fixture
def cookies(hub, onlooker):
    """The onlooker's, as a browser takes them."""
    return [{"name": each.name, "value": each.value, "url": hub.url + each.path} for each in onlooker.cookies.jar]


@pytest.fixture
def page_without_scripts(chromium, cookies):
    """A page of the onlooker's in a browser that runs no scripts."""
    page = chromium.new_page(java_script_enabled=False)
    page.set_default_timeout(PATIENCE)
    page.context.add_cookies(cookies)
    yield page
    page.close()


@pytest.fixture
def open_page(usual_page, hub, cookies):
    """Open the spawn page as the onlooker, with nothing stored; errors of scripts on the page fail the test."""
    errors = []

    def note(error):
        errors.append(str(error))

    def open_page(*, viewport=DESK, color_scheme="light"):
        usual_page.set_viewport_size(viewport)
        usual_page.emulate_media(color_scheme=color_scheme)
        usual_page.goto(f"{hub.url}/hub/spawn")
        return usual_page

    usual_page.context.add_cookies(cookies)
    usual_page.on("pageerror", note)
    yield open_page
    usual_page.evaluate("localStorage.clear()")
    usual_page.remove_listener("pageerror", note)
    assert errors == []
