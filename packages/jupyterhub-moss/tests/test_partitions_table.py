"""The table of partitions on a whole cluster, the mock's or a real one: `nox -s slurm` runs this on a real Slurm."""

import asyncio
import os
import subprocess
import time

import pytest
from lone_spawner import make_spawner

from jupyterhub_moss.facts import shared_access, shared_facts
from jupyterhub_moss.page import public_partitions

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
    return public_partitions(partitions)


def rows(found):
    return {
        name: (
            each["nnodes_total"], each["ncores_total"], each["max_nprocs"], each["max_mem"],
            {gpu["kind"]: gpu["max"] for gpu in each["gpu_types"]}, each["max_runtime"],
        )
        for name, each in found.items()
    }  # fmt: skip


def run(*argv):
    as_root = {**os.environ, "MOCK_SLURM_USER": "root"}  # on a real Slurm the tests are root's
    return subprocess.run(argv, env=as_root, check=True, capture_output=True, text=True).stdout.strip()


def test_the_table_is_right_before_and_after_draining_a_node(slurm_environment):
    """Every partition has the numbers of its nodes; a drained node changes what is free, and no limit."""
    before = table()
    assert rows(before) == TABLE
    assert before["gpu"]["nnodes_idle"] == 3
    run("scontrol", "update", "nodename=gpu1", "state=drain", "reason=test")
    try:
        after = table()
    finally:
        run("scontrol", "update", "nodename=gpu1", "state=resume")
    assert rows(after) == TABLE
    assert after["gpu"]["nnodes_idle"] == 2
    assert [node["offline"] for node in after["gpu"]["node_types"] if "A100" in node["gpus"]] == [1]
    assert [each["gpu"]["ngpus_idle"] for each in (before, after)] == [12, 8]


def test_a_job_with_gpus_leaves_the_others_free(slurm_environment):
    """They are counted by kind, while it runs."""
    argv = ("--parsable", "--partition=gpu", "--gres=gpu:V100:1", "--output=/dev/null", "--wrap=sleep 600")
    job = run("sbatch", *argv)
    try:
        while run("squeue", "-h", "-j", job, "-o", "%T") == "PENDING":
            time.sleep(0.1)
        kinds = {gpu["kind"]: gpu["words"] for gpu in table()["gpu"]["gpu_types"]}
    finally:
        run("scancel", job)
    assert (kinds["V100"], kinds["A100"]) == ("1 of 2 V100", "4 of 4 A100")
