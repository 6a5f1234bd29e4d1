"""One scheduling pass: which pending jobs start where, which jobs must go for them, and why the others wait."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from .config import ClusterConfig, NodeSpec, PartitionSpec
from .dependencies import dependency_reason
from .job import Job
from .quantities import UNLIMITED
from .resources import Layout, Node, place

__all__ = ["Plan", "end_by_limit", "schedule"]

_FOREVER = 365 * 86400.0
_NODES_UNAVAILABLE = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"


@dataclasses.dataclass
class Plan:
    """What a pass decided: layouts to start, and ids of jobs to preempt."""

    starts: list[tuple[Job, Layout]] = dataclasses.field(default_factory=list)
    preempted: list[int] = dataclasses.field(default_factory=list)


def end_by_limit(job: Job, config: ClusterConfig, now: float) -> float:
    """The moment at which a running job's time limit ends it."""
    limit = job.request.time_limit
    if limit == UNLIMITED:
        return now + _FOREVER
    return (job.started or now) + job.suspended_total + limit * config.minute_seconds


def schedule(jobs: Mapping[int, Job], nodes: Mapping[str, Node], config: ClusterConfig, now: float) -> Plan:
    """Decide for every pending job; sets its reason, expected start and planned nodes."""
    return _Pass(jobs, dict(nodes), config, now).run()


class _Pass:
    def __init__(self, jobs: Mapping[int, Job], nodes: dict[str, Node], config: ClusterConfig, now: float) -> None:
        self._jobs, self._nodes, self._config, self._now = jobs, nodes, config, now
        self._plan = Plan()
        self._reserved: dict[str, float] = {}
        self._blocked: set[str] = set()

    def run(self) -> Plan:
        for job in sorted(self._pending(), key=self._rank):
            job.expected_start, job.scheduled_nodes = None, ()
            reason = self._why_not_eligible(job)
            if reason:
                job.reason = reason
                if reason == "BeginTime":
                    job.expected_start = max(job.request.begin or 0.0, job.eligible or 0.0)
                continue
            self._try(job)
        return self._plan

    def _pending(self) -> Iterable[Job]:
        return (job for job in self._jobs.values() if job.state == "PENDING" and not job.completing)

    def _rank(self, job: Job) -> tuple[int, int, int]:
        return (-self._partition(job).priority_tier, -job.priority, job.id)

    def _partition(self, job: Job) -> PartitionSpec:
        return self._config.partitions[job.request.partition]

    def _why_not_eligible(self, job: Job) -> str:
        if job.held:
            return job.held
        if max(job.request.begin or 0.0, job.eligible or 0.0) > self._now:
            return "BeginTime"
        waiting = dependency_reason(job, self._jobs)
        if waiting:
            return waiting
        return self._partition_reason(job) or self._limit_reason(job)

    def _partition_reason(self, job: Job) -> str:
        partition = self._partition(job)
        if partition.state in {"DOWN", "INACTIVE"}:
            return "PartitionDown" if partition.state == "DOWN" else "PartitionInactive"
        limit, most = job.request.time_limit, partition.max_time
        if most != UNLIMITED and (limit == UNLIMITED or limit > most):
            return "PartitionTimeLimit"
        if place(job.request, self._order(job, self._empty(self._members(job))), self._config) is None:
            return "PartitionConfig"
        return ""

    def _limit_reason(self, job: Job) -> str:
        qos = self._config.qos.get(job.request.qos)
        most = qos.max_cpus_per_job if qos else None
        if most is not None and job.request.ntasks * job.request.cpus_per_task > most:
            return "QOSMaxCpuPerJobLimit"
        return ""

    def _members(self, job: Job) -> list[Node]:
        request = job.request
        return [
            self._nodes[name]
            for name in self._partition(job).nodes
            if name not in request.exclude and _has_features(self._nodes[name].spec, request.features)
        ]

    def _order(self, job: Job, nodes: list[Node]) -> list[Node]:
        return sorted(nodes, key=lambda node: node.spec.name not in job.request.nodelist)

    @staticmethod
    def _empty(nodes: Iterable[Node]) -> list[Node]:
        return [dataclasses.replace(node, cpus={}, memory={}, gres={}) for node in nodes]

    def _try(self, job: Job) -> None:
        members = self._order(job, self._members(job))
        usable = [node for node in members if node.usable]
        missing = [node.spec.name for node in members if not node.usable and node.spec.name in job.request.nodelist]
        if missing:
            job.reason = f"ReqNodeNotAvail, UnavailableNodes:{','.join(sorted(missing))}"
            return
        if place(job.request, self._empty(usable), self._config) is None:
            job.reason = _NODES_UNAVAILABLE
            return
        layout = place(job.request, [node for node in usable if self._may_use(job, node)], self._config)
        if layout is not None:
            self._start(job, layout)
            return
        victims = self._victims(job, usable)
        self._plan.preempted += victims
        self._wait(job, usable)

    def _may_use(self, job: Job, node: Node) -> bool:
        # A later job may fill the gap before a planned start only if it is over by then.
        planned = self._reserved.get(node.spec.name)
        limit = job.request.time_limit
        seconds = _FOREVER if limit == UNLIMITED else limit * self._config.minute_seconds
        return planned is None or self._now + seconds <= planned

    def _start(self, job: Job, layout: Layout) -> None:
        job.allocation, job.memory, job.gres = layout.cpus, layout.memory, layout.gres
        for name in layout.cpus:
            node = self._nodes[name].without(())
            node.take(job)
            self._nodes[name] = node
        self._plan.starts.append((job, layout))

    def _running(self) -> list[Job]:
        held = [
            job
            for job in self._jobs.values()
            if job.allocation and (job.state in {"RUNNING", "SUSPENDED"} or job.completing)
        ]
        started = [job for job, _ in self._plan.starts]
        return sorted({job.id: job for job in [*held, *started]}.values(), key=self._end)

    def _end(self, job: Job) -> float:
        return end_by_limit(job, self._config, self._now)

    def _wait(self, job: Job, usable: list[Node]) -> None:
        job.reason = "Priority" if job.request.partition in self._blocked else "Resources"
        self._blocked.add(job.request.partition)
        gone: list[int] = []
        for runner in self._running():
            gone.append(runner.id)
            layout = place(job.request, [self._nodes[node.spec.name].without(gone) for node in usable], self._config)
            if layout is None:
                continue
            job.expected_start = max(self._end(runner), self._now, *(self._reserved.get(n, 0.0) for n in layout.cpus))
            job.scheduled_nodes = tuple(layout.cpus)
            for name in layout.cpus:
                self._reserved.setdefault(name, job.expected_start)
            return

    def _victims(self, job: Job, usable: list[Node]) -> list[int]:
        """Preemptable jobs of lower tiers whose end lets this one start; the youngest go first."""
        tier = self._partition(job).priority_tier
        weaker = [
            other
            for other in reversed(self._running())
            if self._partition(other).preempt_mode == "CANCEL"
            and self._partition(other).priority_tier < tier
            and other.id not in self._plan.preempted
            and not other.completing
        ]
        chosen: list[int] = []
        for other in weaker:
            if not set(other.allocation) & {node.spec.name for node in usable}:
                continue
            chosen.append(other.id)
            if place(job.request, [node.without(chosen) for node in usable], self._config) is not None:
                return chosen
        return []


def _has_features(spec: NodeSpec, wanted: str) -> bool:
    if not wanted:
        return True
    return any(all(feature.strip() in spec.features for feature in choice.split("&")) for choice in wanted.split("|"))
