"""The documented configuration of the project whose interface this is, as a user has it."""

from traitlets.config import Config

import jupyterhub_moss
from jupyterhub_moss.models import PartitionsTrait

COMMON = {"description": "Default", "add_to_path": True}
START = "echo 'Starting default environment'"
PARTITIONS = {
    "partition_1": {
        "architecture": "x86_86", "description": "Partition 1", "gpu": None, "max_ngpus": 0, "max_nprocs": 28,
        "max_runtime": 12 * 3600, "simple": True,
        "jupyter_environments": {"default": {**COMMON, "path": "/env/path/bin/", "modules": "", "prologue": ""}},
    },
    "partition_2": {
        "architecture": "ppc64le", "description": "Partition 2", "gpu": "gpu:V100-SXM2-32GB:{}", "max_ngpus": 2,
        "max_nprocs": 128, "max_runtime": 1 * 3600, "simple": True,
        "jupyter_environments": {
            "default": {**COMMON, "path": "", "modules": "JupyterLab/3.6.0", "prologue": START}
        },
    },
    "partition_3": {
        "architecture": "x86_86", "description": "Partition 3", "gpu": None, "max_ngpus": 0, "max_nprocs": 28,
        "max_runtime": 12 * 3600, "simple": False,
        "jupyter_environments": {
            "default": {**COMMON, "path": "/path/to/env/bin/", "modules": "JupyterLab/3.6.0", "prologue": START}
        },
    },
}  # fmt: skip


def test_the_documented_configuration_is_accepted_unchanged():
    """The three documented partitions pass, and come back with the values that were written."""
    c = Config()
    jupyterhub_moss.set_config(c)
    c.MOSlurmSpawner.partitions = PARTITIONS
    spawner = jupyterhub_moss.MOSlurmSpawner(config=c)
    assert spawner.partitions == PARTITIONS
    assert PartitionsTrait.model_validate(PARTITIONS).model_dump() == PARTITIONS
