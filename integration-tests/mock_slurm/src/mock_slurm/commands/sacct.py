"""sacct: the accounting of every job ever run, purged ones included."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping

from mock_slurm.calls import Call, Reply, lines
from mock_slurm.commands.jobfields import JobView
from mock_slurm.commands.show import tres
from mock_slurm.controller import Controller
from mock_slurm.getopt import Flag, Parsed, UsageError, parse
from mock_slurm.hostlist import compress
from mock_slurm.job import ABBREVIATIONS, Job
from mock_slurm.quantities import UNLIMITED, long_elapsed, mebibytes, timestamp

__all__ = ["run"]

_FLAGS = (
    Flag("allusers", "a", "no"), Flag("allocations", "X", "no"), Flag("brief", "b", "no"),
    Flag("help", "h", "no"),
    Flag("helpformat", "e", "no"), Flag("long", "l", "no"), Flag("noheader", "n", "no"), Flag("parsable", "p", "no"),
    Flag("parsable2", "P", "no"), Flag("duplicates", "D", "no"), Flag("version", "V", "no"),
    Flag("truncate", "T", "no"),
    Flag("allclusters", "L", "no"), Flag("noconvert", value="no"), Flag("array", value="no"), Flag("user", "u"),
    Flag("accounts", "A"), Flag("endtime", "E"), Flag("starttime", "S"), Flag("format", "o"), Flag("jobs", "j"),
    Flag("name"), Flag("partition", "r"), Flag("state", "s"), Flag("qos", "q"), Flag("delimiter"),
    Flag("nodelist", "N"),
    Flag("units"), Flag("clusters", "M"), Flag("uid"),
)  # fmt: skip
_DEFAULT = "jobid,jobname,partition,account,alloccpus,state,exitcode"
_BRIEF = "jobid,state,exitcode"
_LONG = (
    "jobid,jobname,user,partition,account,alloccpus,state,exitcode,submit,start,end,elapsed,timelimit,nodelist,reqmem"
)


@dataclasses.dataclass(frozen=True)
class _Row:
    """A job, or its batch step."""

    view: JobView
    step: bool = False

    @property
    def job(self) -> Job:
        return self.view.job

    def of_job(self, text: str) -> str:
        """A text that the step's row leaves empty."""
        return "" if self.step else text


async def run(controller: Controller, call: Call) -> Reply:
    """Answer one sacct."""
    try:
        given = parse(_FLAGS, call.args)
    except UsageError as error:
        complaints = [f"sacct: {line}" for line in error.lines]
        return Reply(1, err=lines(*complaints, 'Try "sacct --help" for more information'))
    if "version" in given:
        return Reply(0, f"slurm-wlm {controller.config.version}\n")
    if "helpformat" in given:
        return Reply(0, lines(*(heading for heading, _, _ in _FIELDS.values())))
    names = given.get("format") or (_BRIEF if "brief" in given else _LONG if "long" in given else _DEFAULT)
    fields = []
    for name in names.split(","):
        key, _, width = name.strip().partition("%")
        if key.lower() not in _FIELDS:
            return Reply(1, err=f'sacct: error: Invalid field requested: "{key}"\n')
        fields.append((key.lower(), width))
    return Reply(0, lines(*_table(given, fields, _rows(controller, call, given))))


def _rows(controller: Controller, call: Call, given: Parsed) -> list[_Row]:
    rows = []
    for job in _chosen(controller, call, given):
        view = JobView(job, controller, controller.now())
        rows.append(_Row(view))
        if "allocations" not in given and job.step_start is not None and job.state != "PENDING":
            rows.append(_Row(view, step=True))
    return rows


def _chosen(controller: Controller, call: Call, given: Parsed) -> list[Job]:
    jobs = list(controller.jobs.values())
    text = given.get("jobs")
    if text is not None:
        numbers = {int(found) for found in re.findall(r"(?:^|,)\s*([0-9]+)", text)}
        jobs = [job for job in jobs if job.id in numbers]
    elif "user" not in given and "allusers" not in given:
        jobs = [job for job in jobs if call.caller.is_root or job.uid == call.caller.uid]
    checks: dict[str, Callable[[Job], set[str]]] = {
        "user": lambda job: {job.user, str(job.uid)},
        "name": lambda job: {job.request.name},
        "partition": lambda job: {job.request.partition},
        "accounts": lambda job: {job.request.account},
        "qos": lambda job: {job.request.qos},
        "state": lambda job: {job.state, ABBREVIATIONS[job.state]},
    }
    for option, values in checks.items():
        if option in given:
            wanted = set((given.get(option) or "").split(","))
            wanted |= {item.upper() for item in wanted} if option == "state" else set()
            jobs = [job for job in jobs if values(job) & wanted]
    return jobs


def _table(given: Parsed, fields: list[tuple[str, str]], rows: list[_Row]) -> list[str]:
    cells = [[_FIELDS[key][2](row) for key, _ in fields] for row in rows]
    headings = [_FIELDS[key][0] for key, _ in fields]
    if given.flag("parsable", "parsable2"):
        mark = given.get("delimiter") or "|"
        end = mark if "parsable" in given else ""
        table = [headings, *cells] if "noheader" not in given else cells
        return [mark.join(row) + end for row in table]
    widths = [int(width) if width.lstrip("-").isdigit() else _FIELDS[key][1] for key, width in fields]
    left = [key in {"jobid", "jobidraw"} or width < 0 for (key, _), width in zip(fields, widths, strict=True)]
    head = [headings, ["-" * abs(width) for width in widths]] if "noheader" not in given else []
    return [_aligned(row, widths, left) for row in [*head, *cells]]


def _aligned(row: list[str], widths: list[int], left: list[bool]) -> str:
    return "".join(
        (cell if len(cell) <= abs(width) else cell[: abs(width) - 1] + "+").ljust(abs(width)) + " "
        if side
        else (cell if len(cell) <= width else cell[: width - 1] + "+").rjust(width) + " "
        for cell, width, side in zip(row, widths, left, strict=True)
    )


def _state(row: _Row) -> str:
    job = row.job
    if row.step:
        if job.state in {"RUNNING", "SUSPENDED"}:
            return "RUNNING"
        if job.state == "FAILED" and not job.exit_signal:
            return "FAILED"
        return job.state if job.state in {"COMPLETED", "OUT_OF_MEMORY"} else "CANCELLED"
    if job.state == "CANCELLED" and job.cancelled_by is not None:
        return f"CANCELLED by {job.cancelled_by}"
    return job.state


def _exit_code(row: _Row) -> str:
    job = row.job
    if not row.step and job.state not in {"FAILED", "OUT_OF_MEMORY"}:
        return "0:0"
    if row.step and job.state == "NODE_FAIL":
        return ""
    return f"{job.exit_code}:{job.exit_signal}"


def _start(row: _Row) -> str:
    job = row.job
    if job.state == "PENDING":
        return "Unknown"
    return "None" if job.restarts and not job.allocation else timestamp(job.started, "Unknown")


def _end(row: _Row) -> str:
    job = row.job
    return "Unknown" if job.active and not job.completing else timestamp(job.ended, "Unknown")


def _memory(row: _Row) -> str:
    request, view = row.job.request, row.view
    if request.memory is not None:
        return mebibytes(request.memory)
    per_cpu = request.memory_per_cpu
    default = view.controller.config.partitions[request.partition].def_mem_per_cpu
    return mebibytes((default if per_cpu is None else per_cpu) * view.cpus)


def _allocated(row: _Row) -> str:
    job = row.job
    if not job.allocation:
        return ""
    gpus = sum(len(taken) for share in job.gres.values() for taken in share.values())
    return tres(row.view.cpus, sum(job.memory.values()), len(job.nodes), gpus)


def _limit(row: _Row) -> str:
    limit = row.job.request.time_limit
    return "UNLIMITED" if limit == UNLIMITED else long_elapsed(limit * 60)


_FIELDS: Mapping[str, tuple[str, int, Callable[[_Row], str]]] = {
    "account": ("Account", 10, lambda r: r.job.request.account),
    "alloccpus": ("AllocCPUS", 10, lambda r: str(sum(r.job.allocation.values()))),
    "alloctres": ("AllocTRES", 10, _allocated),
    "cluster": ("Cluster", 10, lambda r: r.view.controller.config.cluster),
    "comment": ("Comment", 14, lambda r: r.of_job(r.job.request.comment)),
    "derivedexitcode": ("DerivedExitCode", 15, lambda r: r.of_job("0:0")),
    "elapsed": ("Elapsed", 10, lambda r: long_elapsed(r.view.used)),
    "elapsedraw": ("ElapsedRaw", 10, lambda r: str(int(r.view.used))),
    "eligible": ("Eligible", 19, lambda r: timestamp(max(r.job.request.begin or 0, r.job.submitted))),
    "end": ("End", 19, _end),
    "exitcode": ("ExitCode", 8, _exit_code),
    "jobid": ("JobID", 12, lambda r: f"{r.job.id}.batch" if r.step else str(r.job.id)),
    "jobidraw": ("JobIDRaw", 12, lambda r: f"{r.job.id}.batch" if r.step else str(r.job.id)),
    "jobname": ("JobName", 10, lambda r: "batch" if r.step else r.job.request.name),
    "maxrss": ("MaxRSS", 10, lambda r: f"{r.job.max_rss}K" if r.step and r.job.max_rss else ""),
    "ncpus": ("NCPUS", 10, lambda r: str(r.view.cpus)),
    "nnodes": ("NNodes", 8, lambda r: str(len(r.job.nodes) or r.job.request.min_nodes)),
    "nodelist": ("NodeList", 15, lambda r: compress(r.job.nodes) or "None assigned"),
    "partition": ("Partition", 10, lambda r: r.of_job(r.job.request.partition)),
    "qos": ("QOS", 10, lambda r: r.of_job(r.job.request.qos)),
    "reason": ("Reason", 22, lambda r: r.of_job(r.job.reason)),
    "reqcpus": ("ReqCPUS", 8, lambda r: str(r.view.cpus)),
    "reqmem": ("ReqMem", 10, lambda r: r.of_job(_memory(r))),
    "reservation": ("Reservation", 20, lambda r: r.of_job(r.job.request.reservation)),
    "start": ("Start", 19, _start),
    "state": ("State", 10, _state),
    "submit": ("Submit", 19, lambda r: timestamp(r.job.started if r.step else r.job.submitted)),
    "timelimit": ("Timelimit", 10, lambda r: r.of_job(_limit(r))),
    "timelimitraw": ("TimelimitRaw", 13, lambda r: r.of_job(str(r.job.request.time_limit))),
    "uid": ("UID", 6, lambda r: r.of_job(str(r.job.uid))),
    "user": ("User", 9, lambda r: r.of_job(r.job.user)),
    "workdir": ("WorkDir", 20, lambda r: r.of_job(r.job.request.workdir)),
}
