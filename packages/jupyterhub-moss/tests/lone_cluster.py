"""A cluster of one's own for spawners without a hub; `cluster_config` changes it for a module."""

import pytest
from lone_spawner import forget_all

from mock_slurm import MockSlurm


@pytest.fixture(scope="module")
def cluster_config():
    return {}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, cluster_config):
    with MockSlurm(tmp_path_factory.mktemp("slurm"), cluster_config) as cluster:
        yield cluster


@pytest.fixture
def mock_slurm(cluster, monkeypatch):
    """The module's cluster without faults and with an empty log; its commands are on PATH."""
    forget_all()
    cluster.faults.clear()
    (cluster.state_dir / "calls.jsonl").write_text("")
    for name, value in cluster.environ.items():
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
