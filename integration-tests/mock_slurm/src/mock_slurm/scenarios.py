r"""Recorded conversations with Slurm, replayed against any Slurm.

A scenario is a text file::

    ## a job that succeeds
    $ [alice] printf '#!/bin/bash\nsleep 1\n' | sbatch --parsable
    rc=0
    out| <A>
    @ wait A COMPLETED
    $ [alice] squeue -h -j $A -t all -o '%T %B'
    rc=0
    out| COMPLETED cpu1

`[user]` is who types, `rc=`, `out|` and `err|` are what must come back, all of it. In an expected line `<A>` (one
capital letter) is a job id: it is remembered the first time and means the same from then on, in later lines as
`<A>` and in later commands as `$A`. `<time>` is a timestamp, `<number>` digits, `<any>` anything up to the end of
the line. `@ wait A STATE` asks squeue until it shows that state; `@ wait A gone` until it lists the job no longer.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

__all__ = ["Mismatch", "Scenario", "Step", "read_scenarios", "replay", "shell_as"]

_PATIENCE = 180.0
"""Seconds for one command and for one wait."""
_HOLES = {
    "<time>": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}",
    "<number>": r"[0-9]+",
    "<any>": r".*",
}
_HOLE = re.compile(r"(<time>|<number>|<any>|<[A-Z]>)")


class Mismatch(AssertionError):  # noqa: N818 - the word of the trade
    """A Slurm answered otherwise than recorded; the text shows both."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One command and its recorded answer, or one wait (`expected` is empty then)."""

    user: str
    command: str
    expected: tuple[str, ...]
    line: int


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A titled conversation. `needs` names what a Slurm must have for it, such as "accounting"."""

    title: str
    steps: tuple[Step, ...]
    needs: frozenset[str] = frozenset()


Run = Callable[[str, str, Mapping[str, str]], "subprocess.CompletedProcess[str]"]
"""`run(user, shell_command, variables)` as that user, with the variables in its environment."""


def read_scenarios(path: Path) -> list[Scenario]:
    """Every scenario of a file."""
    found: list[Scenario] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## "):
            found.append(Scenario(line[3:].strip(), ()))
        elif line.startswith("# needs: "):
            found[-1] = dataclasses.replace(found[-1], needs=frozenset(line[9:].split()))
        elif line.strip() and not line.startswith("# "):
            found[-1] = _with_line(found[-1], line, number, path)
    return found


def _with_line(scenario: Scenario, line: str, number: int, path: Path) -> Scenario:
    match = re.fullmatch(r"\$ \[(\w+)\] (.*)", line)
    if match is not None:
        step = Step(match[1], match[2], (), number)
    elif line.startswith("@ wait "):
        step = Step("", line[2:], (), number)
    elif re.match(r"rc=|out\||err\|", line) and scenario.steps:
        last = scenario.steps[-1]
        return dataclasses.replace(
            scenario, steps=(*scenario.steps[:-1], dataclasses.replace(last, expected=(*last.expected, line.rstrip())))
        )
    else:
        raise ValueError(f"{path}:{number}: not a line of a scenario: {line!r}")
    return dataclasses.replace(scenario, steps=(*scenario.steps, step))


def replay(scenario: Scenario, run: Run) -> list[str]:
    """Hold the conversation; the ids of the jobs made, none of which is left running.

    Raises `Mismatch` at the first answer that differs.
    """
    names: dict[str, str] = {}
    try:
        for step in scenario.steps:
            if step.user:
                _converse(scenario, step, run, names)
            else:
                _await(scenario, step, run, names)
    finally:
        _clean_up(run, names)
    return list(names.values())


def _clean_up(run: Run, names: Mapping[str, str]) -> None:
    if not names:
        return
    run("root", f"scancel {' '.join(names.values())}", {})
    end = time.monotonic() + _PATIENCE
    # Several ids, so that one that is already purged is no error; the next scenario finds the nodes free.
    while run("root", f"squeue -h -j {','.join([*names.values(), '0'])}", {}).stdout.strip():
        if time.monotonic() > end:
            raise Mismatch(f"jobs {', '.join(names.values())} do not end after scancel")
        time.sleep(0.05)


def _converse(scenario: Scenario, step: Step, run: Run, names: dict[str, str]) -> None:
    try:
        done = run(step.user, step.command, names)
    except subprocess.TimeoutExpired as late:
        raise Mismatch(
            f"{scenario.title}, line {step.line}: no answer in {late.timeout:.0f} s: {step.command}"
        ) from late
    actual = [f"rc={done.returncode}", *_marked("out", done.stdout), *_marked("err", done.stderr)]
    if len(actual) == len(step.expected) and all(
        _fits(want, have, names) for want, have in zip(step.expected, actual, strict=True)
    ):
        return
    difference = "\n".join(difflib.unified_diff(list(step.expected), actual, "recorded", "answered", lineterm="", n=9))
    raise Mismatch(f"{scenario.title}, line {step.line}: [{step.user}] {step.command}  {names}\n{difference}")


def _marked(mark: str, text: str) -> Iterator[str]:
    return (f"{mark}| {line}".rstrip() for line in text.splitlines())


def _fits(want: str, have: str, names: dict[str, str]) -> bool:
    pattern = "".join(_hole(part, names) if _HOLE.fullmatch(part) else re.escape(part) for part in _HOLE.split(want))
    match = re.fullmatch(pattern, have)
    if match is None:
        return False
    names.update(match.groupdict())
    return True


def _hole(part: str, names: Mapping[str, str]) -> str:
    if part in _HOLES:
        return _HOLES[part]
    name = part[1:-1]
    return re.escape(names[name]) if name in names else f"(?P<{name}>[0-9]+)"


def _await(scenario: Scenario, step: Step, run: Run, names: dict[str, str]) -> None:
    _, name, state = step.command.split(maxsplit=2)
    states = "" if state == "gone" else "-t all"
    end = time.monotonic() + _PATIENCE
    while True:
        done = run("root", f"squeue -h -j {names[name]} {states} -o '%T %r'", names)
        shown = done.stdout.strip()
        if (state == "gone" and not shown) or state in shown.split(" ", 1):
            return
        if time.monotonic() > end:
            raise Mismatch(f"{scenario.title}, line {step.line}: job {name} is {shown!r} and not {state} in time")
        time.sleep(0.05)


def shell_as(prefix: Callable[[str], list[str]], environment: Mapping[str, str]) -> Run:
    """A `run` that puts `prefix(user)` before a shell, such as ["runuser", "-u", user, "--"]."""

    def run(user: str, command: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix(user), "/bin/bash", "-c", command],
            env={**os.environ, **environment, **variables, **_identity(user)},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=_PATIENCE,
        )  # fmt: skip

    return run


def _identity(user: str) -> dict[str, str]:
    return {"MOCK_SLURM_USER": user}
