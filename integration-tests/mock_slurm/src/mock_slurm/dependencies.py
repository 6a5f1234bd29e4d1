"""`--dependency`: whether the jobs a job waits for have done what it waits for."""

from __future__ import annotations

from collections.abc import Mapping

from .job import Job

__all__ = ["dependency_reason"]


def dependency_reason(job: Job, jobs: Mapping[int, Job]) -> str:
    """Empty when satisfied, else `Dependency` or `DependencyNeverSatisfied`."""
    text = job.request.dependency
    if not text:
        return ""
    either = "?" in text
    verdicts = [_verdict(item, job, jobs) for item in text.replace("?", ",").split(",") if item]
    if either:
        if any(verdict == "" for verdict in verdicts):
            return ""
        return min(verdicts, key=len)
    return max(verdicts, key=len, default="")


def _verdict(item: str, job: Job, jobs: Mapping[int, Job]) -> str:
    kind, _, ids = item.partition(":")
    if kind == "singleton":
        twins = [
            other
            for other in jobs.values()
            if other.id < job.id and other.user == job.user and other.request.name == job.request.name
        ]
        return "Dependency" if any(other.active for other in twins) else ""
    if kind.isdigit():
        kind, ids = "afterany", item
    outcomes = [
        _outcome(kind, jobs[int(number)]) for number in ids.split(":") if number.isdigit() and int(number) in jobs
    ]
    return max(outcomes, key=len, default="")


def _outcome(kind: str, other: Job) -> str:
    if kind == "after":
        return "Dependency" if other.state == "PENDING" else ""
    if other.active:
        return "Dependency"
    good = other.state == "COMPLETED"
    if (kind in {"afterok", "aftercorr"} and not good) or (kind == "afternotok" and good):
        return "DependencyNeverSatisfied"
    return ""
