"""scancel: end jobs, or send them a signal."""

from __future__ import annotations

import re
import signal

from mock_slurm.calls import Call, Reply, lines
from mock_slurm.controller import Controller
from mock_slurm.getopt import Flag, Parsed, UsageError, parse
from mock_slurm.job import ABBREVIATIONS, Job

__all__ = ["run"]

_FLAGS = (
    Flag("batch", "b", "no"), Flag("full", "f", "no"), Flag("help", value="no"), Flag("hurry", "H", "no"),
    Flag("interactive", "i", "no"), Flag("quiet", "Q", "no"), Flag("verbose", "v", "no"), Flag("version", "V", "no"),
    Flag("ctld", value="no"), Flag("cron", value="no"), Flag("me", value="no"), Flag("usage", value="no"),
    Flag("account", "A"), Flag("clusters", "M"), Flag("name", "n"), Flag("jobname"), Flag("nodelist", "w"),
    Flag("partition", "p"), Flag("qos", "q"), Flag("reservation", "R"), Flag("signal", "s"), Flag("state", "t"),
    Flag("user", "u"), Flag("wckey"), Flag("sibling"),
)  # fmt: skip
_FILTERS = ("account", "jobname", "me", "name", "nodelist", "partition", "qos", "reservation", "state", "user", "wckey")
_DENIED = 210
_ERROR = "scancel: error: Kill job error on job id"


async def run(controller: Controller, call: Call) -> Reply:
    """Answer one scancel."""
    try:
        given = parse(_FLAGS, call.args)
    except UsageError as error:
        return Reply(
            1, err=lines(*(f"scancel: {line}" for line in error.lines), 'Try "scancel --help" for more information')
        )
    if "version" in given:
        return Reply(0, f"slurm-wlm {controller.config.version}\n")
    if not given.rest and not given.flag(*_FILTERS):
        return Reply(1, err="scancel: error: No job identification provided\n")
    for word in given.rest:
        for item in word.split(","):
            if not re.fullmatch(r"[0-9]+(?:[_.+].*)?", item):
                return Reply(1, err=f"scancel: error: Invalid job id {item}\n")
    return _cancel(controller, call, given)


def _cancel(controller: Controller, call: Call, given: Parsed) -> Reply:
    number = _signal(given.get("signal"))
    if number is None:
        return Reply(1, err=f"Unknown job signal: {given.get('signal')}\n")
    complaints: list[str] = []
    code = 0
    for each in _numbers(given):
        if "verbose" in given and not controller.visible([each]):
            complaints += [f"scancel: Terminating job {each}", f"{_ERROR} {each}: Invalid job id specified"]
    for job in _chosen(controller, call, given):
        if "verbose" in given:
            complaints.append(f"scancel: Terminating job {job.id}")
        if job.finished:
            continue
        if job.uid != call.caller.uid and not call.caller.privileged:
            complaints.append(f"{_ERROR} {job.id}: Access/permission denied")
            code = _DENIED
        else:
            _act(controller, call, given, job, number)
    return Reply(code, err=lines(*complaints))


def _act(controller: Controller, call: Call, given: Parsed, job: Job, number: int) -> None:
    if "signal" not in given or (job.state == "PENDING" and number == signal.SIGKILL):
        controller.end(job, "CANCELLED", by=call.caller)
    else:
        controller.send_signal(job, number, script_only="batch" in given)


def _signal(text: str | None) -> int | None:
    if text is None:
        return signal.SIGTERM.value
    if text.isdigit():
        return int(text)
    try:
        return signal.Signals["SIG" + text.upper().removeprefix("SIG")].value
    except KeyError:
        return None


def _chosen(controller: Controller, call: Call, given: Parsed) -> list[Job]:
    jobs = controller.visible(_numbers(given) or None)
    return [job for job in jobs if _matches(job, call, given)] if given.flag(*_FILTERS) else jobs


def _numbers(given: Parsed) -> list[int]:
    return [int(re.match("[0-9]+", item)[0]) for word in given.rest for item in word.split(",")]  # type: ignore[index]


def _matches(job: Job, call: Call, given: Parsed) -> bool:
    state = (given.get("state") or job.state).upper()
    names = {value: key for key, value in ABBREVIATIONS.items()}
    return (
        ("me" not in given or job.uid == call.caller.uid)
        and (given.get("user") or job.user) in {job.user, str(job.uid)}
        and (given.get("partition") or job.request.partition) == job.request.partition
        and (given.get("account") or job.request.account) == job.request.account
        and (given.get("qos") or job.request.qos) == job.request.qos
        and (given.get("reservation") or job.request.reservation) == job.request.reservation
        and (given.get("name") or given.get("jobname") or job.request.name) == job.request.name
        and ("nodelist" not in given or (given.get("nodelist") or "") in job.nodes)
        and names.get(state, state) in {job.state, job.shown_state}
    )
