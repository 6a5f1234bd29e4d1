"""Slurm's reasons, in words for the person who waits.

The words in Slurm's table are those of ``squeue -o %r``; see job_reason_codes in its documentation.
"""

import re

from jupyterhub_moss.jobs import JobFacts

_WAITING = {
    "None": "The scheduler has not looked at the job yet",
    "Resources": "The job is first in line and waits until enough CPUs, memory or GPUs are free",
    "Priority": "Other jobs are ahead in the queue",
    "BeginTime": "The job was told to start later",
    "Dependency": "The job waits for another job to end",
    "JobHeldUser": "The job is held by its owner; release it with scontrol",
    "JobHeldAdmin": "The job is held by an administrator; ask them why",
    "PartitionDown": "The partition takes jobs but starts none at the moment",
    "PartitionInactive": "The partition is out of service at the moment",
    "Reservation": "The job waits for the beginning of its reservation",
    "Licenses": "The job waits for a licence",
    "Prolog": "The node is being prepared",
    "NodeDown": "A node that the job needs is down",
    "Cleaning": "What an earlier run of the job left is being cleaned up",
}
#: Of these no waiting helps: the request has to be changed.
_IMPOSSIBLE = {
    "PartitionTimeLimit": "The job may not run as long as was asked for on this partition; ask for less time",
    "PartitionNodeLimit": "The job needs more nodes than the partition allows; ask for less",
    "PartitionConfig": "No node of the partition has what was asked for; ask for fewer CPUs, less memory or fewer GPUs",
    "BadConstraints": "No node has what was asked for in the extra options; change them",
    "AccountNotAllowed": "Your account may not use this partition; choose another",
    "QOSNotAllowed": "Your quality of service may not use this partition; choose another",
    "InvalidAccount": "The account is not valid; choose another or ask your administrator",
    "InvalidQOS": "The quality of service is not valid; choose another or ask your administrator",
    "DependencyNeverSatisfied": "The job waits for something that can no longer happen; change the dependency",
    "ReservationDeleted": "The reservation no longer exists; leave it out",
}
# limits of one job never change while it waits; those of a user or group do as other jobs end
_LIMIT_OF_A_JOB = re.compile(r"(?:QOS|Assoc)Max\w*PerJob\w*|QOSMinCpuNotSatisfied|QOSMinGRES|QOSMinMemory")
_LIMIT = re.compile(r"(?:QOS|Assoc)(?:Grp|Max)\w*")
_NODES = re.compile(r"ReqNodeNotAvail|ReservedForMaintenance")

_ENDED = {
    "TIMEOUT": "its time was over",
    "OUT_OF_MEMORY": "it used more memory than it had asked for; ask for more",
    "NODE_FAIL": "its node failed",
    "PREEMPTED": "a job of higher priority needed its node",
    "CANCELLED": "it was cancelled",
    "DEADLINE": "it could not end before its deadline",
    "BOOT_FAIL": "its node could not be started",
}
_ENDED_WITH = {
    "JobLaunchFailure": "it could not be started: is its folder missing on the node?",
    "NonZeroExitCode": "its script ended with an error",
}


def why_impossible(reason: str) -> str:
    """A sentence if a job that waits with this reason will never start; empty otherwise."""
    if reason in _IMPOSSIBLE:
        return _IMPOSSIBLE[reason]
    if _LIMIT_OF_A_JOB.fullmatch(reason):
        return f"The request is over a limit for one job ({reason}); ask for less"
    return ""


def why_waiting(reason: str) -> str:
    """A sentence for a job that waits."""
    if words := _WAITING.get(reason) or why_impossible(reason):
        return words
    if _NODES.match(reason):
        return "A node that the job needs is not available at the moment, maybe for maintenance"
    if _LIMIT.fullmatch(reason):
        return f"You or your group are at a limit until other jobs end ({reason})"
    return f"The job waits ({reason})"


def why_ended(job: JobFacts | None) -> str:
    """The rest of a sentence that begins with "The job ended"."""
    if job is None or job.state not in {*_ENDED, "FAILED"}:
        return ""
    return _ENDED.get(job.state) or _ENDED_WITH.get(job.reason, f"it failed ({job.reason})")
