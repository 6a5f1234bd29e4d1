"""Configured partitions completed with what Slurm reports about them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jupyterhub_moss.errors import UnavailablePartitionError
from jupyterhub_moss.facts import Facts
from jupyterhub_moss.gres import GpuType, added_up
from jupyterhub_moss.models import (
    COMPLETED,
    JupyterEnvironment,
    PartitionConfig,
    PartitionInfo,
    PartitionResources,
    PartitionsTrait,
)
from jupyterhub_moss.nodes import NodeType, gpu_kinds


class Limits(NamedTuple):
    """What one job may ask for; None where neither the configuration nor Slurm told."""

    max_nprocs: int | None
    max_mem: int | None
    max_ngpus: int | None
    max_runtime: int | None
    gpu: str
    node_types: tuple[NodeType, ...] = ()
    """The kinds of nodes there are, the largest first; empty where Slurm did not tell them apart."""
    gpu_counts: Mapping[str, tuple[int, int]] = MappingProxyType({})
    """How many GPUs of each kind are free and how many there are, by template; empty where Slurm did not tell."""

    @property
    def gpus(self) -> tuple[GpuType, ...]:
        """The kinds of GPUs that can be asked for; the first is taken when none is named."""
        others = (gpu for gpu in gpu_kinds(self.node_types) if gpu.template != self.gpu)
        return (GpuType(self.gpu, self.max_ngpus or 0), *others) if self.gpu else ()

    def serving(self, cpus: int, memory: float, template: str, gpus: int) -> list[NodeType]:
        """The kinds of nodes that have all of this; `memory` in megabytes."""
        return [node for node in self.node_types if node.has(cpus, memory, template, gpus)]


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
        return {**_NOTHING_KNOWN, **source.model_dump(exclude=hidden), **self._public_limits()}

    def _public_limits(self) -> dict[str, Any]:
        limits = self.limits._asdict()
        counts = limits.pop("gpu_counts")
        limits["gpu_types"] = [
            {
                "kind": gpu.kind,
                "max": self.limits.max_ngpus if gpu.template == self.limits.gpu else gpu.number,
                **dict(zip(("free", "total"), counts.get(gpu.template, (None, None)), strict=True)),
            }
            for gpu in self.limits.gpus
        ]
        limits["ngpus_idle"], limits["ngpus_total"] = self._gpus_together()
        limits["node_types"] = [_public_node(node) for node in self.limits.node_types]
        return limits

    def _gpus_together(self) -> tuple[int | None, int | None]:
        """Free GPUs and all, of every kind; None where Slurm did not tell."""
        counts = [self.limits.gpu_counts.get(gpu.template) for gpu in self.limits.gpus]
        known = [count for count in counts if count is not None]
        if not self.limits.node_types or len(known) < len(counts):
            return None, None
        return sum(free for free, _ in known), sum(total for _, total in known)


def _public_node(node: NodeType) -> dict[str, Any]:
    fields = node._asdict()
    del fields["gpus_free"]  # told by kind of GPU
    return {**fields, "gpus": {gpu.kind: gpu.number for gpu in node.gpus}}


_NOTHING_KNOWN: dict[str, Any] = dict.fromkeys(("nnodes_total", "nnodes_idle", "ncores_total", "ncores_idle"))


def _limits_of(config: PartitionConfig) -> Limits:
    """Limits from the configuration alone; without a template no GPU can be asked for."""
    gpu = config.gpu or ""
    return Limits(config.max_nprocs, None, config.max_ngpus if gpu else 0, config.max_runtime, gpu)


def _replaced(number: int, largest: int, configured: int | None) -> int:
    """A node's number under a configured limit: a lower one holds for all, a higher one is believed for the largest."""
    if configured is None or (configured > largest and number < largest):
        return number
    return configured if configured > largest else min(number, configured)


def _configured_gpus(gpus: tuple[GpuType, ...], config: PartitionConfig, *, named: bool) -> tuple[GpuType, ...]:
    if config.gpu is None or not gpus:
        return gpus
    if not named:  # a template that Slurm does not have as such, like gpu:{} for any kind
        return (GpuType(config.gpu, sum(gpu.number for gpu in gpus)),) if config.gpu else ()
    return tuple(gpu for gpu in gpus if gpu.template == config.gpu)


def _is_named(config: PartitionConfig, found: tuple[NodeType, ...]) -> bool:
    return config.gpu in {gpu.template for gpu in gpu_kinds(found)}


def _gpu_counts(config: PartitionConfig, found: tuple[NodeType, ...]) -> Mapping[str, tuple[int, int]]:
    """Free GPUs and all of each template that can be asked for, however many of them a job may have."""
    free: list[GpuType] = []
    total: list[GpuType] = []
    for node in found:
        if node.gpus_free is None:
            return {}
        free.extend(node.gpus_free)
        total.extend(gpu._replace(number=gpu.number * node.total) for gpu in node.gpus)
    named = _is_named(config, found)
    of_all, of_free = (
        dict(_configured_gpus(added_up(gpus), config, named=named))  # pairs of a template and a number
        for gpus in (total, free)
    )
    return {template: (of_free[template], number) for template, number in of_all.items()}


def _node_types(config: PartitionConfig, found: tuple[NodeType, ...]) -> tuple[NodeType, ...]:
    """The kinds of nodes as far as the configuration lets a job use them."""
    named = _is_named(config, found)
    chosen = [node._replace(gpus=_configured_gpus(node.gpus, config, named=named)) for node in found]
    most_cpus = max((node.cpus for node in chosen), default=0)
    most = {gpu.template: gpu.number for gpu in gpu_kinds(chosen)}
    return tuple(
        node._replace(
            cpus=_replaced(node.cpus, most_cpus, config.max_nprocs),
            gpus=tuple(
                GpuType(gpu.template, _replaced(gpu.number, most.get(gpu.template, 0), config.max_ngpus))
                for gpu in node.gpus
            ),
        )
        for node in chosen
    )


def _limits(config: PartitionConfig, info: PartitionInfo, found: PartitionResources) -> Limits:
    found_types = getattr(found, "node_types", ())
    node_types = _node_types(config, found_types)
    of_kind = {gpu.template: gpu.number for gpu in gpu_kinds(node_types)}
    max_ngpus = info.max_ngpus if config.max_ngpus is not None else of_kind.get(info.gpu, info.max_ngpus)
    return Limits(
        info.max_nprocs,
        info.max_mem,
        max_ngpus if info.gpu else 0,
        info.max_runtime,
        info.gpu,
        node_types,
        _gpu_counts(config, found_types),
    )


def _complete(name: str, config: PartitionConfig, facts: Facts) -> Partition | None:
    if not facts.known:
        return Partition(name, config, _limits_of(config), None)
    if name not in facts.resources:
        return None
    found = facts.resources[name]
    configured = {key: value for key, value in config.model_dump().items() if value is not None}
    info = PartitionInfo.model_validate({**found.model_dump(), **configured}, context=COMPLETED)
    return Partition(name, config, _limits(config, info, found), info)


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
