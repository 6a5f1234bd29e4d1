"""squeue: which jobs there are and how they do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from mock_slurm.calls import Call, Reply, lines
from mock_slurm.commands.jobfields import FIELD_NAMES, FIELDS, JobView
from mock_slurm.controller import Controller
from mock_slurm.formats import parse_format, parse_names, render
from mock_slurm.getopt import Flag, Parsed, UsageError, parse
from mock_slurm.hostlist import expand
from mock_slurm.identity import is_known
from mock_slurm.job import ABBREVIATIONS, Job

__all__ = ["job_numbers", "run"]

_FLAGS = (
    Flag("all", "a", "no"), Flag("array", "r", "no"), Flag("help", value="no"), Flag("hide", value="no"),
    Flag("noheader", "h", "no"), Flag("long", "l", "no"), Flag("me", value="no"), Flag("start", value="no"),
    Flag("usage", value="no"), Flag("verbose", "v", "no"), Flag("version", "V", "no"), Flag("noconvert", value="no"),
    Flag("local", value="no"), Flag("federation", value="no"), Flag("priority", "P", "no"),
    Flag("account", "A"), Flag("Format", "O"), Flag("format", "o"), Flag("jobs", "j", "optional"),
    Flag("name", "n"), Flag("nodelist", "w"), Flag("partition", "p"), Flag("qos", "q"), Flag("reservation", "R"),
    Flag("sort", "S"), Flag("states", "t"), Flag("steps", "s", "optional"), Flag("user", "u"), Flag("licenses", "L"),
    Flag("iterate", "i"), Flag("clusters", "M"),
)  # fmt: skip
_DEFAULT = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
_LONG = "%.18i %.9P %.8j %.8u %.8T %.10M %.9l %.6D %R"
_START = "%.18i %.9P %.8j %.8u %.2t %.19S %.6D %20Y %R"
_STATE_ORDER = list(ABBREVIATIONS)


class _Problem(Exception):  # noqa: N818 - an answer
    pass


async def run(controller: Controller, call: Call) -> Reply:
    """Answer one squeue."""
    try:
        # `-j ID` with a space is how everybody writes it, although getopt calls the value optional.
        given = parse(_FLAGS, _join_optional(call.args))
        return _answer(controller, call, given)
    except UsageError as error:
        return Reply(
            1, err=lines(*(f"squeue: {line}" for line in error.lines), 'Try "squeue --help" for more information')
        )
    except _Problem as problem:
        return Reply(1, err=lines(str(problem)))


def _join_optional(args: list[str]) -> list[str]:
    joined: list[str] = []
    words = list(args)
    while words:
        word = words.pop(0)
        if re.fullmatch(r"-[A-Za-z]*[js]|--jobs?|--steps?", word) and words and not words[0].startswith("-"):
            word += ("=" if word.startswith("--") else "") + words.pop(0)
        joined.append(word)
    return joined


def _answer(controller: Controller, call: Call, given: Parsed) -> Reply:
    if "version" in given:
        return Reply(0, f"slurm-wlm {controller.config.version}\n")
    complaints = _unknown_users(controller, given)
    jobs = _chosen(controller, call, given)
    views = [JobView(job, controller, time.time()) for job in jobs]
    views.sort(key=_order(given))
    names = given.get("Format")
    layout, unknown = parse_names(names, FIELD_NAMES) if names else parse_format(_format(given, call), FIELDS)
    complaints += [f"squeue: error: Invalid job format specification: {each}" for each in unknown]
    table = render(layout, views, heading="noheader" not in given)
    if "long" in given and "noheader" not in given:
        table.insert(0, time.strftime("%a %b %d %H:%M:%S %Y"))
    return Reply(0, lines(*table), lines(*complaints))


def _format(given: Parsed, call: Call) -> str:
    chosen = given.get("format")
    if chosen is not None:
        return chosen
    if "start" in given:
        return _START
    return _LONG if "long" in given else call.environment.get("SQUEUE_FORMAT", _DEFAULT)


def _unknown_users(controller: Controller, given: Parsed) -> list[str]:
    return [
        f"squeue: error: Invalid user: {name}\n"
        for name in filter(None, (given.get("user") or "").split(","))
        if not name.isdigit() and not is_known(name, controller.config)
    ]


def job_numbers(text: str, program: str) -> list[int]:
    """Ids of a comma separated list; raises ValueError with the program's complaint."""
    numbers = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        if not re.fullmatch(r"[0-9]+(?:_[0-9*\[\]-]+|\+[0-9]+|\.[A-Za-z0-9]+)?", item):
            raise ValueError(f"{program}: error: Invalid job id: {item}")
        numbers.append(int(re.match("[0-9]+", item)[0]))  # type: ignore[index]
    return numbers


def _chosen(controller: Controller, call: Call, given: Parsed) -> list[Job]:
    text = given.get("jobs")
    numbers = None
    if text:
        try:
            numbers = job_numbers(text, "squeue")
        except ValueError as error:
            raise _Problem(str(error)) from error
        if len(numbers) == 1 and not controller.visible(numbers):
            raise _Problem("slurm_load_jobs error: Invalid job id specified")
    filters = _filters(controller, call, given)
    return [job for job in controller.visible(numbers) if all(keep(job) for keep in filters)]


def _filters(controller: Controller, call: Call, given: Parsed) -> list[Callable[[Job], bool]]:
    keep: list[Callable[[Job], bool]] = [_states(given)]
    simple: Mapping[str, Callable[[Job], str]] = {
        "partition": lambda job: job.request.partition,
        "account": lambda job: job.request.account,
        "name": lambda job: job.request.name,
        "qos": lambda job: job.request.qos,
        "reservation": lambda job: job.request.reservation,
    }
    for option, value in simple.items():
        if option in given:
            wanted = set((given.get(option) or "").split(","))
            keep.append(lambda job, value=value, wanted=wanted: value(job) in wanted)  # type: ignore[misc]
    if "me" in given:
        keep.append(lambda job: job.uid == call.caller.uid)
    if "user" in given:
        users = set((given.get("user") or "").split(","))
        keep.append(lambda job: job.user in users or str(job.uid) in users)
    if "start" in given:
        keep.append(lambda job: job.state == "PENDING")
    if "nodelist" in given:
        nodes = set(expand(given.get("nodelist") or ""))
        for name in nodes - set(controller.config.nodes):
            raise _Problem(f"squeue: error: Invalid node name {name}")
        keep.append(lambda job: bool(nodes & set(job.nodes)))
    if not call.caller.privileged and "all" not in given:
        partitions = controller.config.partitions
        keep.append(lambda job: job.uid == call.caller.uid or not partitions[job.request.partition].hidden)
    return keep


def _states(given: Parsed) -> Callable[[Job], bool]:
    text = given.get("states")
    if text is None:
        return lambda job: job.active
    if text.strip().lower() == "all":
        return lambda _: True
    full = {short: name for name, short in ABBREVIATIONS.items()}
    wanted = set()
    for item in text.upper().split(","):
        name = full.get(item, item)
        if name not in ABBREVIATIONS:
            known = ",".join(ABBREVIATIONS)
            raise _Problem(
                f"squeue: error: Invalid job state specified: {item.lower()}\n"
                f"squeue: error: Valid job states include: {known}\n"
            )
        wanted.add(name)
    return lambda job: job.shown_state in wanted or (not job.configuring and job.state in wanted)


def _order(given: Parsed) -> Callable[[JobView], tuple[object, ...]]:
    if given.get("sort") == "i":
        return lambda view: (view.job.id,)
    if given.get("sort") == "-i":
        return lambda view: (-view.job.id,)
    if "start" in given:
        return lambda view: (view.job.expected_start is None, view.job.expected_start or 0, view.job.id)

    def default(view: JobView) -> tuple[object, ...]:
        job = view.job
        pending = job.state == "PENDING"
        # As seen on a real controller: waiting jobs newest first with those whose start is known in front.
        return (
            job.request.partition, _STATE_ORDER.index(job.state), -job.priority if pending else 0,
            pending and job.expected_start is None, -job.id if pending else job.id,
        )  # fmt: skip

    return default
