"""What scontrol does to jobs: hold, release, requeue, suspend, resume."""

from __future__ import annotations

from collections.abc import Callable

from mock_slurm.calls import Call
from mock_slurm.commands.scontrol_answers import DENIED, NO_JOB, Problem
from mock_slurm.controller import Controller
from mock_slurm.job import Job

__all__ = ["JOB_ACTIONS", "change_jobs"]


def change_jobs(controller: Controller, call: Call, verb: str, words: list[str]) -> str:
    """Do this to every job named; prints nothing. Raises Problem."""
    if not words:
        raise Problem(f"too few arguments for keyword:{verb}")
    for word in ",".join(words).split(","):
        name = word.removeprefix("JobId=")
        # Holding and releasing say twice what was wrong, the other verbs once.
        twice = "\nslurm_suspend error: " if verb in {"hold", "uhold", "release"} else ""
        found = controller.visible([int(name)] if name.isdigit() else [])
        if not found:
            raise Problem(f"{NO_JOB} for job {name}" + (twice and twice + NO_JOB))
        _permit_change(call, found[0], verb, twice)
        JOB_ACTIONS[verb](controller, call, found[0])
    return ""


def _permit_change(call: Call, job: Job, verb: str, twice: str) -> None:
    if call.caller.privileged or (job.uid == call.caller.uid and verb not in {"suspend", "resume"}):
        return
    denied = "Invalid user id" if twice else DENIED
    raise Problem(f"{denied} for job {job.id}" + (twice and twice + denied))


def _suspend(controller: Controller, _: Call, job: Job) -> None:
    if job.state == "PENDING":
        raise Problem(f"Job is pending execution for job {job.id}")
    if job.state != "RUNNING" or job.completing:
        raise Problem(
            f"Job/step already completing or completed for job {job.id}" if job.finished else _not_running(job)
        )
    controller.suspend(job)


def _resume(controller: Controller, _: Call, job: Job) -> None:
    if job.state != "SUSPENDED":
        raise Problem(_not_running(job))
    controller.resume(job)


def _not_running(job: Job) -> str:
    return f"Requested operation is presently disabled for job {job.id}" if job.active else f"{NO_JOB} for job {job.id}"


def _hold(controller: Controller, call: Call, job: Job) -> None:
    controller.hold(job, call.caller)


def _release(controller: Controller, call: Call, job: Job) -> None:
    if job.held == "JobHeldAdmin" and not call.caller.privileged:
        raise Problem(f"{DENIED} for job {job.id}\nslurm_suspend error: {DENIED}")
    controller.release(job)


def _requeue(controller: Controller, _: Call, job: Job) -> None:
    _check_requeue(job)
    controller.requeue(job)


def _requeue_hold(controller: Controller, _: Call, job: Job) -> None:
    _check_requeue(job)
    controller.requeue(job, hold=True)


def _check_requeue(job: Job) -> None:
    if not job.request.requeue:
        raise Problem(f"Requested operation is presently disabled for job {job.id}")
    if job.state == "PENDING" or job.completing:
        raise Problem(f"Job is pending execution for job {job.id}")


JOB_ACTIONS: dict[str, Callable[[Controller, Call, Job], None]] = {
    "hold": _hold,
    "uhold": _hold,
    "release": _release,
    "requeue": _requeue,
    "requeuehold": _requeue_hold,
    "suspend": _suspend,
    "resume": _resume,
}
