"""A cluster of one's own for spawners without a hub; its commands are patient, also on a busy machine."""

from contextlib import contextmanager

import pytest
from lone_spawner import forget_all

from mock_slurm import MockSlurm
from pentad_services.guard import ProcessGuard


@contextmanager
def guarded_cluster(folder, config):
    """A mock cluster whose jobs end with the tests, also when those are killed."""
    with ProcessGuard() as guard, MockSlurm(folder, config, spawn=guard.spawn) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with guarded_cluster(tmp_path_factory.mktemp("slurm"), {"message_timeout": 60}) as cluster:
        yield cluster


@pytest.fixture
def mock_slurm(cluster, monkeypatch):
    """The module's cluster without faults and with an empty log; its commands are on PATH."""
    forget_all()
    cluster.faults.clear()
    (cluster.state_dir / "calls.jsonl").write_text("")
    # jobs that say nothing of their output would leave a file in the folder of the tests
    for name, value in {**cluster.environ, "SBATCH_OUTPUT": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    return cluster


@pytest.fixture
def job(mock_slurm):
    """The id of a job that runs until the end of the test."""
    number = mock_slurm.sbatch("sleep infinity", "--exclusive")
    mock_slurm.wait_for(number, "RUNNING")
    yield str(number)
    mock_slurm.faults.clear()
    mock_slurm.run("scancel", str(number), check=True)


@pytest.fixture
def impatience(mock_slurm, monkeypatch):
    """Call it, and what is frozen times out soon; the commands of the fixtures stay patient."""
    return lambda: monkeypatch.setenv("MOCK_SLURM_MESSAGE_TIMEOUT", "0.5")
