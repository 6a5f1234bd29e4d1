import time

import pytest
from hypothesis import HealthCheck, settings

from mock_slurm import MockSlurm

# how fast the machine is, is not what is tested
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def cluster(tmp_path):
    """A cluster that does not wait long for jobs that ignore what they are told, or before it runs one again."""
    with MockSlurm(tmp_path / "state", {"kill_wait": 0.3, "requeue_delay": 0.2}) as running:
        yield running


@pytest.fixture
def wait_until():
    """Return as soon as a condition holds; fail if it does not within some minutes, which no machine needs."""

    def wait_until(condition):
        deadline = time.monotonic() + 180
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    return wait_until


@pytest.fixture
def submit(cluster, tmp_path):
    """Submit a script whose output lands in the test's folder."""

    def submit(script, *args, **options):
        return cluster.sbatch(script, "-D", str(tmp_path), *args, **options)

    return submit
