"""sbatch: read a script and its options, queue it, print its id."""

from __future__ import annotations

import os
from pathlib import PurePath

from mock_slurm.calls import Call, Reply, lines
from mock_slurm.controller import Controller
from mock_slurm.environment import exported, user_environment
from mock_slurm.getopt import Parsed, UsageError, parse
from mock_slurm.identity import Caller, identify
from mock_slurm.job import Job, Request
from mock_slurm.options import SBATCH_FLAGS, directives, from_environment
from mock_slurm.submission import Refusal, check, resolve

__all__ = ["queue", "read_script", "run", "script_source"]

_NO_INTERPRETER = (
    "This does not look like a batch script.  The first",
    "line must start with #! followed by the path to an interpreter.",
    "For instance: #!/bin/sh",
)
_DOS = ("Batch script contains DOS line breaks (\\r\\n)", "instead of expected UNIX line breaks (\\n).")


async def run(controller: Controller, call: Call) -> Reply:
    """Answer one sbatch."""
    try:
        return await _submit(controller, call)
    except UsageError as error:
        return Reply(
            255, err=lines(*(f"sbatch: {line}" for line in error.lines), 'Try "sbatch --help" for more information')
        )
    except Refusal as refusal:
        complaints = (f"sbatch: error: {line}" for line in refusal.lines)
        return Reply(refusal.code, err=lines(*refusal.before, *complaints))


def script_source(call: Call) -> str | bool | None:
    """The script's path, None for standard input, False when the call needs none."""
    try:
        given = parse(SBATCH_FLAGS, call.args, permute=False)
    except UsageError:
        return False
    if given.flag("wrap", "version", "help"):
        return False
    return _path(call, given.rest[0]) if given.rest else None


def _path(call: Call, name: str) -> str:
    return os.path.join(call.cwd, name)


async def _submit(controller: Controller, call: Call) -> Reply:
    given = parse(SBATCH_FLAGS, call.args, permute=False)
    if "version" in given:
        return Reply(0, f"slurm-wlm {controller.config.version}\n")
    script = await _script(call, given)
    inside = parse(SBATCH_FLAGS, directives(script)) if "wrap" not in given else Parsed([], [])
    merged = Parsed([*inside.options, *from_environment(call.environment), *given.options], given.rest)
    _check_cluster(merged, controller)
    if "test-only" in merged:
        _checked(controller, call, merged, script)
        return Reply(0)
    job = queue(controller, call, merged, script)
    if "parsable" in merged:
        return Reply(0, f"{job.id}\n")
    if "quiet" in merged:
        return Reply(0)
    return Reply(0, f"Submitted batch job {job.id}\n")


def queue(controller: Controller, call: Call, options: Parsed, script: str) -> Job:
    """Queue a job with these options; raises `Refusal`."""
    request, caller = _checked(controller, call, options, script)
    return controller.submit(request, caller, held=options.flag("hold"))


def _checked(controller: Controller, call: Call, options: Parsed, script: str) -> tuple[Request, Caller]:
    request = resolve(options, controller.config, controller.now())
    caller = _submitter(controller, call, options)
    _complete(request, options, script, call, controller, caller)
    return check(request, options, caller, controller.config), caller


async def _script(call: Call, given: Parsed) -> str:
    wrapped = given.get("wrap")
    if wrapped is not None:
        return f"#!/bin/sh\n# This script was created by sbatch --wrap.\n\n{wrapped}\n"
    source = script_source(call)
    try:
        data = await call.read(source if isinstance(source, str) else None)
    except OSError as error:
        raise Refusal(f"Unable to open file {given.rest[0] if given.rest else '-'}") from error
    return read_script(data)


def read_script(data: bytes) -> str:
    """The text of a job script; raises `Refusal` for what Slurm takes for none."""
    text = data.decode("utf-8", "surrogateescape")
    if not text:
        raise Refusal("Batch script is empty!")
    if not text.strip():
        raise Refusal("Batch script contains only whitespace!")
    if not text.startswith("#!"):
        raise Refusal(*_NO_INTERPRETER)
    if "\r\n" in text:
        raise Refusal(*_DOS)
    if "\0" in text:
        raise Refusal(
            "The SLURM controller does not allow scripts that",
            "contain a NULL character '\\0'.",
        )
    return text


def _check_cluster(options: Parsed, controller: Controller) -> None:
    name = options.get("clusters")
    if name is not None and name not in {controller.config.cluster, "all"}:
        raise Refusal(
            f"No cluster '{name}' known by database.",
            f"'{name}' can't be reached now, or it is an invalid entry for --cluster."
            "  Use 'sacctmgr list clusters' to see available clusters.",
        )


def _submitter(controller: Controller, call: Call, options: Parsed) -> Caller:
    name = options.get("uid")
    if name is None:
        return call.caller
    if not call.caller.is_root:
        raise Refusal("--uid only permitted by root user", code=255)
    return identify(0, 0, name, controller.config)


def _complete(
    request: Request, options: Parsed, script: str, call: Call, controller: Controller, caller: Caller
) -> None:
    """Fill in what depends on the call: script, name, folders, environment."""
    rest = [] if "wrap" in options else options.rest
    request.script, request.argv = script, tuple(rest[1:])
    request.command = _path(call, rest[0]) if rest else ("" if "wrap" not in options else "(null)")
    if "job-name" not in options:
        request.name = "wrap" if "wrap" in options else PurePath(rest[0]).name if rest else "sbatch"
    request.name_given = request.name != "sbatch" or "job-name" in options
    request.submit_dir = call.cwd
    request.workdir = _path(call, options.get("chdir") or call.cwd)
    request.stdout = request.stdout or "slurm-%j.out"
    request.stderr = request.stderr or request.stdout
    rule = options.get("export")
    request.environment = _environment(rule, options, call, controller, caller)


def _environment(
    rule: str | None, options: Parsed, call: Call, controller: Controller, caller: Caller
) -> dict[str, str]:
    chosen = exported(rule, call.environment)
    if "get-user-env" in options or (rule or "").upper() == "NONE":
        login = user_environment(caller.name, controller.config)
        chosen = {**login, **chosen, "SLURM_GET_USER_ENV": "1"}
    return {name: value for name, value in chosen.items() if not name.startswith("MOCK_SLURM_")} | {
        name: value for name, value in call.environment.items() if name in _CARRIED
    }


# Without these a job could not call squeue or submit a job of its own, which it can on a cluster.
_CARRIED = ("MOCK_SLURM_ADDRESS", "MOCK_SLURM_USER", "MOCK_SLURM_MESSAGE_TIMEOUT", "MOCK_SLURM_CONNECT_TIMEOUT")
