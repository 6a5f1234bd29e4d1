"""Recorded conversations, held with the mock and, where one is named, with a real Slurm.

SLURM_CONTRACT_REAL=1 takes the Slurm on PATH, run as root, with the users alice and bob and the cluster's
configuration as the mock's default; SLURM_CONTRACT_HAS lists what it has, such as "accounting".
"""

import os
import tempfile
from pathlib import Path

import pytest

from mock_slurm import MockSlurm
from mock_slurm.scenarios import read_scenarios, replay, shell_as

SCENARIOS = [
    pytest.param(scenario, id=f"{path.stem}: {scenario.title}")
    for path in sorted(Path(__file__).parent.glob("*.txt"))
    for scenario in read_scenarios(path)
]


@pytest.fixture(scope="module")
def mock_cluster(tmp_path_factory):
    with MockSlurm(tmp_path_factory.mktemp("cluster"), {"kill_wait": 10}) as cluster:
        yield cluster


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_mock_answers_as_recorded(scenario, mock_cluster, tmp_path, monkeypatch):
    """Every answer of the mock is, character for character, the one a real Slurm gave."""
    monkeypatch.chdir(tmp_path)
    replay(scenario, shell_as(lambda _: [], mock_cluster.environ))


@pytest.mark.skipif(
    "SLURM_CONTRACT_REAL" not in os.environ, reason="set SLURM_CONTRACT_REAL=1 to ask the Slurm on PATH"
)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_real_slurm_answers_as_recorded(scenario, monkeypatch):
    """The recordings are true: the Slurm on PATH gives the same answers."""
    missing = scenario.needs - set(os.environ.get("SLURM_CONTRACT_HAS", "").split())
    if missing:
        pytest.skip(f"this Slurm has no {', '.join(sorted(missing))} (SLURM_CONTRACT_HAS)")
    # Not below pytest's own folder, which only its user may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        monkeypatch.chdir(folder)
        replay(scenario, shell_as(_as_user, {}))


def _as_user(user):
    return [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
