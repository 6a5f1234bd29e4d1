"""A Slurm for tests: real commands, real job processes, no cluster."""

from .config import ClusterConfig, ConfigurationError, load_config
from .faults import Fault, Faults
from .install import install
from .instance import MockSlurm, MockSlurmError

__all__ = [
    "ClusterConfig",
    "ConfigurationError",
    "Fault",
    "Faults",
    "MockSlurm",
    "MockSlurmError",
    "install",
    "load_config",
]
