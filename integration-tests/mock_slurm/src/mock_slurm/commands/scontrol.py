"""scontrol: look at and change jobs, nodes and partitions."""

from __future__ import annotations

from collections.abc import Callable

from mock_slurm.calls import Call, Reply, lines
from mock_slurm.commands.scontrol_answers import Problem, find_job, permit
from mock_slurm.commands.scontrol_jobs import JOB_ACTIONS, change_jobs
from mock_slurm.commands.scontrol_show import show
from mock_slurm.commands.scontrol_update import update
from mock_slurm.controller import Controller
from mock_slurm.getopt import Flag, Parsed, UsageError, parse

__all__ = ["run"]

_FLAGS = (
    Flag("all", "a", "no"), Flag("details", "d", "no"), Flag("help", "h", "no"), Flag("hide", value="no"),
    Flag("oneliner", "o", "no"), Flag("quiet", "Q", "no"), Flag("verbose", "v", "no"), Flag("version", "V", "no"),
    Flag("future", "F", "no"), Flag("clusters", "M"), Flag("uid", "u"),
)  # fmt: skip


async def run(controller: Controller, call: Call) -> Reply:
    """Answer one scontrol."""
    try:
        given = parse(_FLAGS, call.args)
        if "version" in given:
            return Reply(0, f"slurm-wlm {controller.config.version}\n")
        return Reply(0, _dispatch(controller, call, given))
    except UsageError as error:
        complaints = [f"scontrol: {line}" for line in error.lines]
        return Reply(1, err=lines(*complaints, 'Try "scontrol --help" for more information'))
    except Problem as problem:
        # The real one writes "not found" where it would have written the description.
        text = lines(str(problem))
        return Reply(1, text) if text.endswith(" not found\n") else Reply(1, err=text)


def _dispatch(controller: Controller, call: Call, given: Parsed) -> str:
    verb, *words = given.rest or [""]
    actions: dict[str, Callable[[], str]] = {
        "ping": lambda: f"Slurmctld(primary) at {controller.config.controller_host} is UP\n",
        "show": lambda: show(controller, call, given, words),
        "update": lambda: update(controller, call, words),
        "write": lambda: _write_script(controller, call, words),
        "reconfigure": lambda: "",
    }
    if verb in actions:
        return actions[verb]()
    if verb in JOB_ACTIONS:
        return change_jobs(controller, call, verb, words)
    raise Problem(f"invalid keyword: {verb}" if verb else "scontrol: no command given; try show, update, hold, release")


def _write_script(controller: Controller, call: Call, words: list[str]) -> str:
    if words[:1] != ["batch_script"] or len(words) < 2:
        raise Problem("invalid entity for keyword:write; try: write batch_script JOBID -")
    job = find_job(controller, words[1], "scontrol: error: job script retrieval failed: ")
    permit(call, job, "scontrol: error: job script retrieval failed: ")
    if words[2:3] != ["-"]:
        raise Problem("scontrol: error: this controller writes scripts to standard output only; add `-`")
    return job.request.script
