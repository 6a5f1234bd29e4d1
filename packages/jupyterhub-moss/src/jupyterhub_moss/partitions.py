"""Configured partitions completed with what Slurm reports about them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jupyterhub_moss.errors import UnavailablePartitionError
from jupyterhub_moss.facts import Facts
from jupyterhub_moss.models import COMPLETED, JupyterEnvironment, PartitionConfig, PartitionInfo, PartitionsTrait


class Limits(NamedTuple):
    """What one job may ask for; None where neither the configuration nor Slurm told."""

    max_nprocs: int | None
    max_mem: int | None
    max_ngpus: int | None
    max_runtime: int | None
    gpu: str


class Partition(NamedTuple):
    """A partition that can be chosen: its configuration, its limits and the whole of what is known."""

    name: str
    config: PartitionConfig
    limits: Limits
    info: PartitionInfo | None
    """None until Slurm has answered once."""

    @property
    def environments(self) -> Mapping[str, JupyterEnvironment]:
        """The environments by id."""
        return self.config.jupyter_environments

    def public(self) -> dict[str, Any]:
        """What the page and its JSON show: everything but the environments' prologues."""
        source = self.info or self.config
        hidden = {"jupyter_environments": {"__all__": {"prologue"}}} if self.environments else {}
        return {**_NOTHING_KNOWN, **source.model_dump(exclude=hidden), **self.limits._asdict()}


_NOTHING_KNOWN: dict[str, Any] = dict.fromkeys(("nnodes_total", "nnodes_idle", "ncores_total", "ncores_idle"))


def _limits_of(config: PartitionConfig) -> Limits:
    """Limits from the configuration alone; without a template no GPU can be asked for."""
    gpu = config.gpu or ""
    return Limits(config.max_nprocs, None, config.max_ngpus if gpu else 0, config.max_runtime, gpu)


def _complete(name: str, config: PartitionConfig, facts: Facts) -> Partition | None:
    if not facts.known:
        return Partition(name, config, _limits_of(config), None)
    if name not in facts.resources:
        return None
    configured = {key: value for key, value in config.model_dump().items() if value is not None}
    info = PartitionInfo.model_validate({**facts.resources[name].model_dump(), **configured}, context=COMPLETED)
    limits = Limits(info.max_nprocs, info.max_mem, info.max_ngpus if info.gpu else 0, info.max_runtime, info.gpu)
    return Partition(name, config, limits, info)


def complete_partitions(configured: Mapping[str, Any], facts: Facts) -> dict[str, Partition]:
    """The partitions that can be chosen; one that Slurm does not have (any more) is left out."""
    configs = PartitionsTrait.model_validate(configured, context=COMPLETED).root
    partitions = {name: _complete(name, config, facts) for name, config in configs.items()}
    return {name: partition for name, partition in partitions.items() if partition is not None}


def choose_partition(partitions: Mapping[str, Partition], name: str) -> Partition:
    """The partition of that name, or `UnavailablePartitionError`."""
    if name not in partitions:
        raise UnavailablePartitionError(
            f"Partition {name!r} is not available; choose one of: {', '.join(partitions) or 'none at the moment'}"
        )
    return partitions[name]
