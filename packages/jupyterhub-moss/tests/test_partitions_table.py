"""The table of partitions on a whole cluster, the mock's or a real one: `nox -s slurm` runs this on a real Slurm."""

import asyncio
import os
import subprocess

import pytest
from lone_spawner import make_spawner

from jupyterhub_moss.facts import shared_access, shared_facts

ENVIRONMENTS = {"jupyter_environments": {"default": {"description": "Default", "path": "/env"}}}
FOREVER = 86400000000000
# nodes, CPUs, CPUs of one node, MB of one node, kinds of GPUs, seconds
TABLE = {
    "cpu": (3, 32, 16, 32000, {}, 86400),
    "debug": (1, 8, 8, 16000, {}, 300),
    "gpu": (3, 80, 32, 128000, {"A100": 4, "a100_1g.5gb": 4, "V100": 2, "a100_3g.20gb": 2}, 43200),
    "long": (1, 256, 256, 1024000, {}, FOREVER),
    "scavenge": (4, 288, 256, 1024000, {}, 172800),
}


@pytest.fixture
def slurm_environment(slurm_service, monkeypatch):
    for cache in (shared_facts.answers, shared_access):
        monkeypatch.setattr(cache, "patience", 600)  # a slow machine is no silent Slurm
    for name, value in slurm_service.environ.items():
        monkeypatch.setenv(name, value)


def table():
    """The rows of TABLE as the spawner's limits and counts have them."""
    spawner = make_spawner(partitions=dict.fromkeys(TABLE, ENVIRONMENTS), slurm_info_max_age=0)
    shared_facts.forget()
    partitions, facts = asyncio.run(spawner._available())
    assert not facts.error
    return {name: partition.public() for name, partition in partitions.items()}


def rows(found):
    return {
        name: (
            each["nnodes_total"], each["ncores_total"], each["max_nprocs"], each["max_mem"],
            {gpu["kind"]: gpu["max"] for gpu in each["gpu_types"]}, each["max_runtime"],
        )
        for name, each in found.items()
    }  # fmt: skip


def scontrol(*argv):
    as_root = {**os.environ, "MOCK_SLURM_USER": "root"}  # on a real Slurm the tests are root's
    subprocess.run(["scontrol", *argv], env=as_root, check=True, capture_output=True)


def test_the_table_is_right_before_and_after_draining_a_node(slurm_environment):
    """Every partition has the numbers of its nodes; a drained node changes what is free, and no limit."""
    before = table()
    assert rows(before) == TABLE
    assert before["gpu"]["nnodes_idle"] == 3
    scontrol("update", "nodename=gpu1", "state=drain", "reason=test")
    try:
        after = table()
    finally:
        scontrol("update", "nodename=gpu1", "state=resume")
    assert rows(after) == TABLE
    assert after["gpu"]["nnodes_idle"] == 2
    assert [node["offline"] for node in after["gpu"]["node_types"] if "A100" in node["gpus"]] == [1]
