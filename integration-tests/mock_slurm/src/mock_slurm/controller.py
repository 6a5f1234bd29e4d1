"""The owner of all state: jobs, nodes, partitions. Everything happens on one event loop, so nothing needs a lock."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from .config import ClusterConfig, PartitionSpec
from .environment import output_path
from .identity import Caller
from .job import Job, Request
from .lifecycle import Lifecycle
from .resources import Node
from .scheduler import schedule

__all__ = ["Controller"]


class Controller(Lifecycle):
    """What slurmctld does. `state` is the folder that makes a restart know everything."""

    def __init__(self, config: ClusterConfig, state: Path, bin_dir: Path) -> None:
        super().__init__(config, state, bin_dir)
        self.booted = time.time()

    def recover(self) -> None:
        """Take up the jobs and node states that an earlier controller left."""
        for name, mark in self.journal.extra.get("nodes", {}).items():
            if name in self.nodes:
                for key, value in mark.items():
                    setattr(self.nodes[name], key, value)
        states = self.journal.extra.get("partitions", {})
        for name, state in states.items():
            self.change_partition(name, state=state)
        for job in list(self.jobs.values()):
            if job.allocation and job.released is None:
                self._readopt(job)
            elif job.finished and not job.purged:
                self._later(job, "purge", (job.released or time.time()) + self.config.min_job_age - time.time())

    def _readopt(self, job: Job) -> None:
        for name in job.allocation:
            self.nodes[name].take(job)
        if job.configuring:
            self._launch(job)
        elif job.step_pid is not None:
            self._arm_limit(job)
            if job.completing:
                self._later(job, "kill", self.config.kill_wait)
            self.steps.adopt(job.id, job.step_pid, job.step_start)
        else:
            self._free(job)

    async def run(self) -> None:
        """Schedule whenever something changed, and as often as the configuration says."""
        while True:
            self.schedule()
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), self._next_event())
            except TimeoutError:
                continue
            await asyncio.sleep(self.config.scheduling_interval)

    def _next_event(self) -> float | None:
        now = time.time()
        moments = [
            moment
            for job in self.jobs.values()
            if job.state == "PENDING" and job.reason == "BeginTime"
            for moment in (job.request.begin, job.eligible)
            if moment is not None and moment > now
        ]
        return max(min(moments) - now, self.config.scheduling_interval) if moments else None

    @staticmethod
    def now() -> float:
        """The cluster's clock: Unix time."""
        return time.time()

    # --- the queue ----------------------------------------------------------------------------------------------------

    def submit(self, request: Request, caller: Caller, *, held: bool = False) -> Job:
        """Queue a checked request."""
        number = max(self.jobs, default=self.journal.extra.get("first_job_id", 1) - 1) + 1
        job = Job(number, caller.name, caller.uid, caller.gid, request, time.time(), run_as=caller.run_as)
        if held:
            job.held, job.priority, job.reason = "JobHeldUser", 0, "JobHeldUser"
        elif request.begin is not None and request.begin > time.time():
            job.reason = "BeginTime"
        for name in ("stdout", "stderr"):
            setattr(request, name, output_path(job, getattr(request, name)))
        if request.deadline is not None:
            self._later(job, "deadline", request.deadline - time.time())
        self._save(job)
        return job

    def schedule(self) -> None:
        """One pass."""
        before = {job.id: (job.reason, job.expected_start) for job in self.jobs.values() if job.state == "PENDING"}
        plan = schedule(self.jobs, self.nodes, self.config, time.time())
        for job, _ in plan.starts:
            for name in job.allocation:
                self.nodes[name].take(job)
            self._start(job)
        for number in plan.preempted:
            self.end(self.jobs[number], "PREEMPTED")
        for number, known in before.items():
            job = self.jobs[number]
            if job.state == "PENDING" and (job.reason, job.expected_start) != known:
                self.journal.write(job)

    def visible(self, numbers: Iterable[int] | None = None) -> list[Job]:
        """Jobs that squeue still knows, in the order of their ids."""
        known = self.jobs.values() if numbers is None else [self.jobs[n] for n in numbers if n in self.jobs]
        return [job for job in known if not job.purged]

    # --- what users and administrators change about jobs --------------------------------------------------------------

    def hold(self, job: Job, caller: Caller) -> None:
        """Keep a pending job from starting."""
        if job.state == "PENDING":
            job.held = "JobHeldAdmin" if caller.privileged and caller.uid != job.uid else "JobHeldUser"
            job.reason, job.priority = job.held, 0
            self._save(job)

    def release(self, job: Job) -> None:
        """Let a held job start again."""
        job.held, job.priority, job.reason = "", 1, "None"
        self._save(job)

    def suspend(self, job: Job) -> None:
        """Stop a running job's processes; its nodes stay its own and its time limit rests."""
        if job.step_pid is not None:
            self.steps.signal(job.id, job.step_pid, signal.SIGSTOP)
        job.state, job.suspended_since = "SUSPENDED", time.time()
        self._forget_timers(job)
        self._save(job)

    def resume(self, job: Job) -> None:
        """Let a suspended job go on."""
        job.suspended_total += time.time() - (job.suspended_since or time.time())
        job.state, job.suspended_since = "RUNNING", None
        if job.step_pid is not None:
            self.steps.signal(job.id, job.step_pid, signal.SIGCONT)
        self._arm_limit(job)
        self._save(job)

    def change_limit(self, job: Job, limit: int) -> None:
        """Give a job another time limit, in minutes."""
        job.request.time_limit = limit
        if job.state == "RUNNING":
            self._cancel_timer(job, "limit")
            self._cancel_timer(job, "warn")
            self._arm_limit(job)
        self._save(job)

    def send_signal(self, job: Job, number: int, *, script_only: bool = False) -> None:
        """A signal to a running job that changes no state by itself."""
        if job.step_pid is not None:
            self.steps.signal(job.id, job.step_pid, number, script_only=script_only)

    def save(self, job: Job) -> None:
        """Keep a change made to a job from outside."""
        self._save(job)

    # --- nodes and partitions -----------------------------------------------------------------------------------------

    def mark_node(self, name: str, mark: str, reason: str, by: str) -> None:
        """Drain, take down ("" = resume) a node; jobs on a node that goes down are lost or requeued."""
        node = self.nodes[name]
        node.mark, node.reason, node.reason_by = mark, reason if mark else "", by if mark else ""
        node.reason_at = time.time() if mark else None
        self.journal.note(nodes={n: _node_note(node) for n, node in self.nodes.items() if node.mark or n == name})
        if mark == "DOWN":
            for job in [job for job in self.jobs.values() if name in job.allocation and job.released is None]:
                self._lose(job)
        self.wake()

    def change_partition(self, name: str, **values: object) -> None:
        """Change a partition, such as its state."""
        table: dict[str, PartitionSpec] = dict(self.config.partitions)
        table[name] = dataclasses.replace(table[name], **values)  # type: ignore[arg-type]
        self.config = dataclasses.replace(self.config, partitions=table)
        self.journal.note(partitions={key: spec.state for key, spec in table.items()})
        self.wake()


def _node_note(node: Node) -> dict[str, object]:
    return {"mark": node.mark, "reason": node.reason, "reason_by": node.reason_by, "reason_at": node.reason_at}
