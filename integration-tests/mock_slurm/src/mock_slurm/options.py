"""Every option of sbatch, wherever it is written: command line, #SBATCH lines, SBATCH_* variables."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from .getopt import Flag

__all__ = ["ENVIRONMENT_OPTIONS", "SBATCH_FLAGS", "directives", "from_environment"]

_PLAIN = (
    "account:A", "acctg-freq", "array:a", "batch", "bb", "bbf", "begin:b", "chdir:D", "cluster-constraint",
    "clusters:M", "comment", "constraint:C", "container", "core-spec:S", "cores-per-socket", "cpu-freq",
    "cpus-per-gpu", "cpus-per-task:c", "deadline", "delay-boot", "dependency:d", "distribution:m", "error:e",
    "exclude:x", "export", "export-file", "extra-node-info:B", "gid", "gpu-bind", "gpu-freq", "gpus:G",
    "gpus-per-node", "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "hint", "input:i", "job-name:J",
    "licenses:L", "mail-type", "mail-user", "mcs-label", "mem", "mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus",
    "network", "nodefile:F", "nodelist:w", "nodes:N", "ntasks:n", "ntasks-per-core", "ntasks-per-gpu",
    "ntasks-per-node", "ntasks-per-socket", "open-mode", "output:o", "partition:p", "power", "prefer", "priority",
    "profile", "qos:q", "reservation", "signal", "sockets-per-node", "switches", "thread-spec", "threads-per-core",
    "time:t", "time-min", "tmp", "uid", "wait-all-nodes", "wckey", "wrap",
)  # fmt: skip
_SWITCHES = (
    "contiguous", "help:h", "hold:H", "ignore-pbs", "no-requeue", "overcommit:O", "oversubscribe:s", "parsable",
    "quiet:Q", "reboot", "requeue", "spread-job", "test-only", "usage", "use-min-nodes", "verbose:v", "version:V",
    "wait:W",
)  # fmt: skip
_OPTIONAL = ("exclusive", "get-user-env", "kill-on-invalid-dep", "nice", "propagate")


def _flags(entries: tuple[str, ...], value: str) -> tuple[Flag, ...]:
    return tuple(Flag(name, short, value) for name, _, short in (entry.partition(":") for entry in entries))


SBATCH_FLAGS = _flags(_PLAIN, "required") + _flags(_SWITCHES, "no") + _flags(_OPTIONAL, "optional")

ENVIRONMENT_OPTIONS = {
    "SBATCH_ACCOUNT": "account", "SBATCH_CONSTRAINT": "constraint", "SBATCH_EXCLUSIVE": "exclusive",
    "SBATCH_EXPORT": "export", "SBATCH_GET_USER_ENV": "get-user-env", "SBATCH_JOB_NAME": "job-name",
    "SBATCH_NO_REQUEUE": "no-requeue", "SBATCH_OPEN_MODE": "open-mode", "SBATCH_PARTITION": "partition",
    "SBATCH_QOS": "qos", "SBATCH_REQUEUE": "requeue", "SBATCH_RESERVATION": "reservation",
    "SBATCH_TIMELIMIT": "time", "SBATCH_CLUSTERS": "clusters", "SBATCH_GPUS": "gpus", "SBATCH_GRES": "gres",
    "SBATCH_MEM_PER_NODE": "mem", "SBATCH_MEM_PER_CPU": "mem-per-cpu", "SBATCH_OUTPUT": "output",
    "SBATCH_ERROR": "error", "SBATCH_INPUT": "input", "SBATCH_SIGNAL": "signal",
}  # fmt: skip


def directives(script: str) -> list[str]:
    """The words of the script's #SBATCH lines; the first line that is neither comment nor empty ends them."""
    words: list[str] = []
    for line in script.split("\n"):
        if line.startswith("#SBATCH") and line[7:8] in {" ", "\t", ""}:
            words += shlex.split(line[7:], comments=True)
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return words


def from_environment(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Options that SBATCH_* variables set."""
    return [
        (option, environment[variable]) for variable, option in ENVIRONMENT_OPTIONS.items() if environment.get(variable)
    ]
