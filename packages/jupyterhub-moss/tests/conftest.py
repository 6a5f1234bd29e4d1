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
CHOICES = {
    "queue_interval": 1,
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
def usual_context(chromium):
    """A profile for all tests that ask for nothing special: what it has loaded once comes from its cache."""
    context = chromium.new_context()
    yield context
    context.close()


@pytest.fixture(scope="module")
def onlooker(hub, request):
    """A user who looks at the form and starts nothing."""
    visitor = Visitor(hub, f"onlooker-{request.module.__name__.rpartition('.')[2].replace('_', '-')}")
    yield visitor
    visitor.close()


@pytest.fixture
def open_page(chromium, usual_context, hub, onlooker):
    """Open the spawn page as the onlooker, with nothing stored; errors of scripts on the page fail the test."""
    special, pages, errors = [], [], []

    def open_page(**options):
        context = usual_context
        if options:
            context = chromium.new_context(**options)
            special.append(context)
        cookies = [{"name": c.name, "value": c.value, "url": hub.url + c.path} for c in onlooker.cookies.jar]
        context.add_cookies(cookies)
        page = context.new_page()
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{hub.url}/hub/spawn")
        return page

    yield open_page
    for page in pages:
        if page.context is usual_context:
            page.evaluate("localStorage.clear()")
        page.close()
    usual_context.clear_cookies()
    for context in special:
        context.close()
    assert errors == []
