"""What happens to one job from its start to its end: steps, time limits, signals, requeues."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from .config import ClusterConfig
from .environment import job_environment
from .identity import Caller
from .job import Job
from .journal import Journal
from .quantities import UNLIMITED, timestamp
from .resources import Node
from .scheduler import end_by_limit
from .steps import Outcome, Steps

__all__ = ["Lifecycle"]

_HELD_AFTER_REQUEUE = "job requeued in held state"
_NOTICES = {"CANCELLED": "", "TIMEOUT": " DUE TO TIME LIMIT", "PREEMPTED": " DUE TO PREEMPTION", "DEADLINE": ""}


class Lifecycle:
    """Starts jobs and ends them. `state` is the folder in which jobs are kept, `bin_dir` what is put on their PATH."""

    def __init__(self, config: ClusterConfig, state: Path, bin_dir: Path) -> None:
        self.config = config
        self.bin_dir = bin_dir
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

    # --- endings ------------------------------------------------------------------------------------------------------

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
            self._free(job)
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
            self._free(job)

    def _free(self, job: Job) -> None:
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
        self._free(job)

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

    # --- once more ----------------------------------------------------------------------------------------------------

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

    # --- bookkeeping --------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Ask for a scheduling pass soon."""
        self._wake.set()

    def _save(self, job: Job) -> None:
        self.journal.write(job)
        self._ended.set()
        self._wake.set()

    def _later(self, job: Job, event: str, delay: float) -> None:
        self._cancel_timer(job, event)
        actions = {
            "purge": self._purge, "kill": self._kill, "epilog": self._free, "prolog": self._prolog_done,
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


def _verdict(outcome: Outcome) -> tuple[str, str]:
    if outcome.lost:
        return "NODE_FAIL", "NodeDown"
    if outcome.launch_error or outcome.signal:
        return "FAILED", "JobLaunchFailure"
    return ("FAILED", "NonZeroExitCode") if outcome.exit_code else ("COMPLETED", "None")
