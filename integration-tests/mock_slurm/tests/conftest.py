import pytest

from mock_slurm import MockSlurm


@pytest.fixture
def cluster(tmp_path):
    """A cluster whose minutes last half a second."""
    with MockSlurm(tmp_path / "state", {"minute_seconds": 0.5, "kill_wait": 0.3, "requeue_delay": 0.2}) as running:
        yield running


@pytest.fixture
def submit(cluster, tmp_path):
    """Submit a script whose output lands in the test's folder."""

    def submit(script, *args, **options):
        return cluster.sbatch(script, "-D", str(tmp_path), *args, **options)

    return submit
