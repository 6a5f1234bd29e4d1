"""The owner of all state: jobs, nodes, partitions. Everything happens on one event loop, so nothing needs a lock."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from .config import ClusterConfig, PartitionSpec
from .environment import job_environment, output_path
from .identity import Caller
from .job import Job, Request
from .journal import Journal
from .quantities import UNLIMITED, timestamp
from .resources import Node
from .scheduler import end_by_limit, schedule
from .steps import Outcome, Steps

__all__ = ["Controller"]

_HELD_AFTER_REQUEUE = "job requeued in held state"


class Controller:
    """What slurmctld does. `state` is the folder that makes a restart know everything."""

    def __init__(self, config: ClusterConfig, state: Path, bin_dir: Path) -> None:
        self.config = config
        self.bin_dir = bin_dir
        self.booted = time.time()
        self.journal = Journal(state)
        self.steps = Steps(state / "spool", self._step_ended)
        self.nodes = {name: Node(spec) for name, spec in config.nodes.items()}
        self._wake = asyncio.Event()
        self._timers: dict[tuple[int, str], asyncio.TimerHandle] = {}
        self._ended = asyncio.Event()

    @property
    def jobs(self) -> dict[int, Job]:
        """Every job ever submitted here, by id; `purged` marks those squeue has forgotten."""
        return self.journal.jobs

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
            self._release(job)

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

    def wake(self) -> None:
        """Ask for a scheduling pass soon."""
        self._wake.set()

    # --- submission ---------------------------------------------------------------------------------------------

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

    # --- scheduling ---------------------------------------------------------------------------------------------

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

    def _start(self, job: Job) -> None:
        job.state, job.reason, job.started, job.ended = "RUNNING", "None", time.time(), None
        job.released, job.step_pid, job.step_start = None, None, None
        job.exit_code = job.exit_signal = 0
        job.suspended_total, job.expected_start, job.scheduled_nodes = 0.0, None, ()
        if self.config.prolog_seconds or self.config.prolog_exit_code:
            job.configuring = True
            self._later(job, "prolog", self.config.prolog_seconds)
            self._save(job)
        else:
            self._launch(job)

    def _prolog_done(self, job: Job) -> None:
        if self.config.prolog_exit_code:
            self.requeue(job)
        else:
            self._launch(job)

    def _launch(self, job: Job) -> None:
        job.configuring = False
        request = job.request
        # Reading what a FIFO or device would block on is the watcher's affair, never the controller's.
        job.step_pid, job.step_start = self.steps.launch(
            job.id,
            request.script.encode("utf-8", "surrogateescape"),
            {
                "argv": list(request.argv),
                "environment": job_environment(job, self.config, self.bin_dir),
                "workdir": request.workdir,
                "stdin": request.stdin,
                "stdout": request.stdout.replace("%N", job.nodes[0]),
                "stderr": request.stderr.replace("%N", job.nodes[0]),
                "append": request.append,
                "umask": int(request.environment.get("SLURM_UMASK", "0022"), 8),
                "user": job.user,
                "run_as": job.run_as,
            },
        )
        self._arm_limit(job)
        self._save(job)

    def _arm_limit(self, job: Job) -> None:
        if job.request.time_limit == UNLIMITED or job.completing:
            return
        end = end_by_limit(job, self.config, time.time()) + self.config.over_time_limit * self.config.minute_seconds
        self._later(job, "limit", end - time.time())
        if job.request.warn_signal is not None:
            seconds = job.request.warn_signal[1] * self.config.minute_seconds / 60
            self._later(job, "warn", end - seconds - time.time())

    def _warn(self, job: Job) -> None:
        if job.request.warn_signal is not None and job.step_pid is not None:
            number, _, script_only = job.request.warn_signal
            self.steps.signal(job.id, job.step_pid, number, script_only=script_only)

    # --- endings ------------------------------------------------------------------------------------------------

    def end(self, job: Job, state: str, reason: str = "", by: Caller | None = None) -> None:
        """End a job: at once when it waits, with TERM and after KillWait with KILL when it runs."""
        if job.finished or (job.completing and not job.final_requeue and job.state != "PENDING"):
            return
        if by is not None:
            job.cancelled_by = by.uid
        if job.completing:
            # Cancelled while a requeue still waits for the processes' end: nothing will follow it.
            job.final_requeue, job.state = "", state
            self._save(job)
        elif job.state == "PENDING":
            self._end_waiting(job, state, reason)
        else:
            self._end_running(job, state, reason)

    def _end_waiting(self, job: Job, state: str, reason: str) -> None:
        now = time.time()
        job.state, job.ended, job.released = state, now, now
        job.reason = reason or job.reason
        job.started = now
        self._forget_timers(job)
        self._later(job, "purge", self.config.min_job_age)
        self._save(job)

    def _end_running(self, job: Job, state: str, reason: str) -> None:
        job.state, job.ended, job.reason = state, time.time(), reason or "None"
        self._terminate(job, _NOTICES[state])

    def _terminate(self, job: Job, notice: str) -> None:
        """TERM now, KILL after KillWait; the job is completing until nothing of it is left."""
        self._forget_timers(job)
        if job.suspended_since is not None:
            job.suspended_total += time.time() - job.suspended_since
            job.suspended_since = None
        if job.step_pid is None:
            job.configuring = False
            self._release(job)
            return
        job.completing = True
        self._save(job)
        moment = timestamp(time.time())
        text = f"slurmstepd: error: *** JOB {job.id} ON {job.nodes[0]} CANCELLED AT {moment}{notice} ***\n"
        self.steps.notice(job.id, job.step_pid, text)
        for number in (signal.SIGCONT, signal.SIGTERM):
            self.steps.signal(job.id, job.step_pid, number)
        self._later(job, "kill", self.config.kill_wait)

    def _kill(self, job: Job) -> None:
        if job.step_pid is not None:
            self.steps.signal(job.id, job.step_pid, signal.SIGKILL)
            # A process may be forked between the look and the signal.
            self._later(job, "kill", 0.2)

    def _step_ended(self, job_id: int, outcome: Outcome) -> None:
        job = self.jobs[job_id]
        if job.step_pid is None:
            return
        job.step_pid = None
        job.exit_code, job.exit_signal, job.max_rss = outcome.exit_code, outcome.signal, outcome.max_rss
        job.launch_failed = bool(outcome.launch_error)
        if not job.completing:
            job.ended = time.time()
            job.state, job.reason = _verdict(outcome)
            if outcome.launch_error:
                job.exit_code, job.exit_signal = 0, 53
        self._forget_timers(job)
        if self.config.epilog_seconds and not outcome.lost:
            job.completing = True
            self._later(job, "epilog", self.config.epilog_seconds)
            self._save(job)
        else:
            self._release(job)

    def _release(self, job: Job) -> None:
        for name in job.allocation:
            self.nodes[name].release(job.id)
        job.completing, job.released = False, time.time()
        if job.final_requeue:
            self._back_to_queue(job)
        else:
            self._later(job, "purge", self.config.min_job_age)
        self._save(job)

    def _purge(self, job: Job) -> None:
        job.purged = True
        self._save(job)

    # --- administration -----------------------------------------------------------------------------------------

    def requeue(self, job: Job, *, hold: bool = False, reason: str = "None") -> None:
        """Run a job again under its id, not before `requeue_delay`; held until released if asked."""
        job.final_requeue = "hold" if hold else "wait"
        job.state, job.reason = "PENDING", _HELD_AFTER_REQUEUE if hold else reason
        job.ended = time.time()
        if job.allocation and job.released is None:
            self._terminate(job, " DUE TO JOB REQUEUE")
        else:
            self._back_to_queue(job)
            self._save(job)

    def _back_to_queue(self, job: Job) -> None:
        hold = job.final_requeue == "hold"
        job.final_requeue, job.state, job.restarts = "", "PENDING", job.restarts + 1
        job.allocation, job.memory, job.gres = {}, {}, {}
        job.started = job.ended = job.released = None
        job.exit_code = job.exit_signal = 0
        job.eligible = time.time() + self.config.requeue_delay
        if hold:
            job.held, job.priority, job.reason = _HELD_AFTER_REQUEUE, 0, _HELD_AFTER_REQUEUE

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

    def _lose(self, job: Job) -> None:
        pid, job.step_pid = job.step_pid, None
        if pid is not None:
            self.steps.destroy(pid)
        job.ended = time.time()
        if job.request.requeue and job.state in {"RUNNING", "SUSPENDED"}:
            job.state, job.final_requeue = "PENDING", "wait"
        elif not job.completing:
            job.state, job.reason = "NODE_FAIL", "NodeDown"
        job.configuring = False
        self._forget_timers(job)
        self._release(job)

    def change_partition(self, name: str, **values: object) -> None:
        """Change a partition, such as its state."""
        table: dict[str, PartitionSpec] = dict(self.config.partitions)
        table[name] = dataclasses.replace(table[name], **values)  # type: ignore[arg-type]
        self.config = dataclasses.replace(self.config, partitions=table)
        self.journal.note(partitions={key: spec.state for key, spec in table.items()})
        self.wake()

    def visible(self, numbers: Iterable[int] | None = None) -> list[Job]:
        """Jobs that squeue still knows, in the order of their ids."""
        known = self.jobs.values() if numbers is None else [self.jobs[n] for n in numbers if n in self.jobs]
        return [job for job in known if not job.purged]

    async def end_everything(self) -> None:
        """Kill every job that runs and wait until nothing of them is left."""
        for job in list(self.jobs.values()):
            if job.step_pid is not None:
                self.steps.destroy(job.step_pid)
            elif job.configuring:
                self.end(job, "CANCELLED")
        while any(job.step_pid is not None for job in self.jobs.values()):
            self._ended.clear()
            await self._ended.wait()

    # --- bookkeeping --------------------------------------------------------------------------------------------

    def save(self, job: Job) -> None:
        """Keep a change made to a job from outside."""
        self._save(job)

    def _save(self, job: Job) -> None:
        self.journal.write(job)
        self._ended.set()
        self._wake.set()

    def _later(self, job: Job, event: str, delay: float) -> None:
        self._cancel_timer(job, event)
        actions = {
            "purge": self._purge, "kill": self._kill, "epilog": self._release, "prolog": self._prolog_done,
            "warn": self._warn, "limit": lambda job: self.end(job, "TIMEOUT", "TimeLimit"),
            "deadline": lambda job: self.end(job, "DEADLINE", "DeadLine"),
        }  # fmt: skip
        loop = asyncio.get_running_loop()
        self._timers[job.id, event] = loop.call_later(max(delay, 0.0), actions[event], job)

    def _cancel_timer(self, job: Job, event: str) -> None:
        timer = self._timers.pop((job.id, event), None)
        if timer is not None:
            timer.cancel()

    def _forget_timers(self, job: Job) -> None:
        for event in ("limit", "warn", "kill", "prolog", "epilog", "deadline"):
            self._cancel_timer(job, event)


_NOTICES = {"CANCELLED": "", "TIMEOUT": " DUE TO TIME LIMIT", "PREEMPTED": " DUE TO PREEMPTION", "DEADLINE": ""}


def _verdict(outcome: Outcome) -> tuple[str, str]:
    if outcome.lost:
        return "NODE_FAIL", "NodeDown"
    if outcome.launch_error or outcome.signal:
        return "FAILED", "JobLaunchFailure"
    return ("FAILED", "NonZeroExitCode") if outcome.exit_code else ("COMPLETED", "None")


def _node_note(node: Node) -> dict[str, object]:
    return {"mark": node.mark, "reason": node.reason, "reason_by": node.reason_by, "reason_at": node.reason_at}
