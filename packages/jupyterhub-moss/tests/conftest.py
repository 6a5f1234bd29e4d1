import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # running_hub is a module of these tests

from lone_cluster import cluster, impatience, job, mock_slurm  # noqa: F401  # fixtures
from running_hub import Hub, Visitor

# how fast the machine is, is not what is tested
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

ENVIRONMENT = {"description": "This Python", "path": str(Path(sys.executable).parent)}
PARTITIONS = {
    "cpu": {"description": "CPU nodes", "architecture": "x86_64", "jupyter_environments": {"default": ENVIRONMENT}},
    "gpu": {"description": "GPU nodes", "jupyter_environments": {"default": ENVIRONMENT}},
    "debug": {"simple": False, "jupyter_environments": {"default": ENVIRONMENT}},
}


@pytest.fixture(scope="session")
def hub(slurm_service, tmp_path_factory):
    hub = Hub(tmp_path_factory.mktemp("hub"), slurm_service.environ, partitions=PARTITIONS)
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


@pytest.fixture
def slurm(slurm_service):
    """Run a Slurm command and return its output."""

    def run(*argv):
        environ = {**os.environ, **slurm_service.environ}
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
        return done.stdout

    return run
