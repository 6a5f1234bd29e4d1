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
PATIENCE = 300  # seconds, on any machine
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


def table_with(expected, numbers):
    """The table, once `numbers` of it are the expected ones: jobs come and go a moment later than Slurm says."""
    deadline = time.monotonic() + PATIENCE
    while numbers(found := table()) != expected:
        assert time.monotonic() < deadline, numbers(found)
        time.sleep(0.1)
    return found


def free_of_gpu(found):
    """Nodes and GPUs that are free in the partition gpu."""
    return found["gpu"]["nnodes_idle"], found["gpu"]["ngpus_idle"]


def kinds_of_gpu(found):
    return {gpu["kind"]: gpu["words"] for gpu in found["gpu"]["gpu_types"] if gpu["kind"] in {"V100", "A100"}}


def run(*argv):
    as_root = {**os.environ, "MOCK_SLURM_USER": "root"}  # on a real Slurm the tests are root's
    return subprocess.run(argv, env=as_root, check=True, capture_output=True, text=True).stdout.strip()


def test_the_table_is_right_before_and_after_draining_a_node(slurm_environment):
    """Every partition has the numbers of its nodes; a drained node changes what is free, and no limit."""
    before = table_with((3, 12), free_of_gpu)
    assert rows(before) == TABLE
    run("scontrol", "update", "nodename=gpu1", "state=drain", "reason=test")
    try:
        after = table_with((2, 8), free_of_gpu)
    finally:
        run("scontrol", "update", "nodename=gpu1", "state=resume")
    assert rows(after) == TABLE
    assert [node["offline"] for node in after["gpu"]["node_types"] if "A100" in node["gpus"]] == [1]


def test_a_job_with_gpus_leaves_the_others_free(slurm_environment):
    """They are counted by kind, while it runs."""
    argv = ("--parsable", "--partition=gpu", "--gres=gpu:V100:1", "--output=/dev/null", "--wrap=sleep 600")
    job = run("sbatch", *argv)
    try:
        table_with({"V100": "1 of 2 V100", "A100": "4 of 4 A100"}, kinds_of_gpu)
    finally:
        run("scancel", job)
