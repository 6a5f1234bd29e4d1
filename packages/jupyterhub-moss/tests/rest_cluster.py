"""Slurm with a slurmrestd: the mock's, and a real one where the tests run beside it."""

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lone_spawner import make_spawner

from jupyterhub_moss.slurm_tokens import signed_token
from mock_slurm import MockSlurm


@dataclass
class RestCluster:
    """A cluster that is asked by slurmrestd; its commands tell what really happened."""

    url: str
    key: Path
    environ: dict[str, str]
    jobs: list[str] = field(default_factory=list)
    mock: MockSlurm | None = None

    def spawner(self, name="alice", **traits):
        """A spawner that signs its tokens itself, unless it is told otherwise."""
        if "slurm_token" not in traits:
            traits.setdefault("slurm_jwt_key", f"file:{self.key}")
        return make_spawner(name, **{"slurm_rest_url": self.url, "req_homedir": "/tmp", **traits})

    def token(self, account, *, valid_for=600):
        return signed_token(self.key.read_bytes(), account, now=time.time(), lifespan=valid_for)

    def run(self, command):
        done = subprocess.run(
            ["sh", "-c", command], env={**os.environ, **self.environ}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def rest_mock(tmp_path_factory):
    with MockSlurm(tmp_path_factory.mktemp("slurm"), {"kill_wait": 0.5}, rest_port=0) as mock:
        # the commands are those of an administrator, whoever runs the tests
        yield RestCluster(mock.rest_url, mock.jwt_key, {**mock.environ, "MOCK_SLURM_USER": "root"}, mock=mock)


@pytest.fixture(params=["mock", "real"])
def cluster_by_rest(request):
    """The mock, and the real Slurm whose slurmrestd is in the environment; jobs in `jobs` are ended afterwards."""
    if request.param == "mock":
        cluster = request.getfixturevalue("rest_mock")
    elif url := os.environ.get("PENTAD_TEST_SLURM_REST_URL"):
        cluster = RestCluster(url, Path(os.environ["PENTAD_TEST_SLURM_JWT_KEY"]), {})
    else:
        pytest.skip("run it by `python -m pentad_services.real_slurm run` beside a real slurmrestd")
    yield cluster
    if cluster.jobs:
        cluster.run(f"scancel {' '.join(cluster.jobs)}")
        cluster.jobs.clear()
