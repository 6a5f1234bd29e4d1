"""What the parts of scontrol share: an answer that ends it with 1, and the job that is meant."""

from __future__ import annotations

from mock_slurm.calls import Call
from mock_slurm.controller import Controller
from mock_slurm.job import Job

__all__ = ["DENIED", "NO_JOB", "Problem", "find_job", "permit"]

NO_JOB = "Invalid job id specified"
DENIED = "Access/permission denied"


class Problem(Exception):  # noqa: N818 - an answer
    """What scontrol prints on stderr before it ends with 1."""


def find_job(controller: Controller, text: str, prefix: str) -> Job:
    """The job of this number. Raises Problem, its text after `prefix`, when this caller sees none."""
    number = int(text) if text.isdigit() else -1
    found = controller.visible([number])
    if not found:
        raise Problem(f"{prefix}{NO_JOB}")
    return found[0]


def permit(call: Call, job: Job, prefix: str, suffix: str = "") -> None:
    """Raise Problem unless the job is the caller's, or the caller is privileged."""
    if job.uid != call.caller.uid and not call.caller.privileged:
        raise Problem(f"{prefix}{DENIED}{suffix}")
