"""Extra sbatch options that a user may add in the field ``options``.

sbatch lets the last directive win and accepts any unambiguous prefix of a long option, so a list of what is
forbidden can be walked around (``--part=long``). Only names on the list of what is allowed pass.
"""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator

#: Options that every site can allow: none of them chooses a partition, an account or more resources.
DEFAULT_ALLOWED_OPTIONS = (
    "begin", "cluster-constraint", "comment", "constraint", "contiguous", "cores-per-socket", "deadline",
    "dependency", "exclude", "exclusive", "hint", "licenses", "mail-type", "mail-user", "nice", "no-requeue",
    "nodelist", "oversubscribe", "prefer", "signal", "sockets-per-node",
    "spread-job", "switches", "threads-per-core", "tmp", "verbose",
)  # fmt: skip

#: Options that the spawner sets itself, with the field to use instead; no configuration can allow them.
MANAGED_OPTIONS = {
    "partition": "partition", "time": "runtime", "time-min": "runtime", "mem": "memory", "mem-per-cpu": "memory",
    "mem-per-gpu": "memory", "cpus-per-task": "nprocs", "cpus-per-gpu": "nprocs", "gres": "ngpus", "gpus": "ngpus",
    "gpus-per-node": "ngpus", "gpus-per-task": "ngpus", "gpus-per-socket": "ngpus", "reservation": "reservation",
    "output": "output", "error": "output", "job-name": "", "chdir": "", "export": "", "export-file": "",
    "get-user-env": "", "parsable": "", "wrap": "", "array": "", "uid": "", "gid": "", "input": "", "test-only": "",
    "clusters": "", "wait": "", "wait-all-nodes": "", "open-mode": "", "propagate": "", "bb": "", "bbf": "",
    "requeue": "",
}  # fmt: skip

#: Long names of sbatch's short options.
SHORT_NAMES = {
    "A": "account", "a": "array", "B": "extra-node-info", "b": "begin", "C": "constraint", "c": "cpus-per-task",
    "D": "chdir", "d": "dependency", "e": "error", "F": "nodefile", "G": "gpus", "H": "hold", "i": "input",
    "J": "job-name", "k": "no-kill", "L": "licenses", "M": "clusters", "m": "distribution", "N": "nodes",
    "n": "ntasks", "O": "overcommit", "o": "output", "p": "partition", "Q": "quiet", "q": "qos",
    "S": "core-spec", "s": "oversubscribe", "t": "time", "v": "verbose", "W": "wait", "w": "nodelist",
    "x": "exclude",
}  # fmt: skip
#: Options that may stand without a value.
WITHOUT_VALUE = frozenset({"contiguous", "no-requeue", "requeue", "spread-job", "oversubscribe", "verbose", "hold",
                            "no-kill", "overcommit", "quiet", "exclusive", "get-user-env",
                           "parsable"})  # fmt: skip
_LONG = re.compile(r"--([a-z][a-z-]*)(?:=(.*))?", re.DOTALL)
_SHORT = re.compile(r"-([A-Za-z])(?:=?(.+))?", re.DOTALL)
# What needs no quoting in a directive line: no white space, quote, backslash or comment sign.
_VALUE = re.compile(r"[A-Za-z0-9_.,:;@%+=/&|*()\[\]~^!<>{}?-]+")


def name_and_value(token: str) -> tuple[str, str | None]:
    """The long name of an option and the value that is attached to it."""
    if match := _LONG.fullmatch(token):
        return match[1], match[2]
    if match := _SHORT.fullmatch(token):
        return SHORT_NAMES.get(match[1], f"-{match[1]}"), match[2]
    raise ValueError(f"{token!r} is not an sbatch option: write --name=value")


def _check_name(name: str, allowed: Collection[str]) -> None:
    if name in MANAGED_OPTIONS:
        field = MANAGED_OPTIONS[name]
        raise ValueError(f"--{name} is set by this page" + (f"; use the field {field!r} instead" if field else ""))
    if name not in allowed:
        raise ValueError(f"--{name.lstrip('-')} is not an extra option that this site allows; "
                         f"allowed are {', '.join(f'--{each}' for each in sorted(allowed))}")  # fmt: skip


def _value(name: str, given: str | None, rest: Iterator[str]) -> str | None:
    if given is None and name not in WITHOUT_VALUE:
        given = next(rest, None)
        if given is None:
            raise ValueError(f"--{name} needs a value: write --{name}=value")
    if given is not None and not _VALUE.fullmatch(given):
        raise ValueError(f"the value {given!r} of --{name} contains a space, quote or another character that "
                         "cannot be passed to sbatch")  # fmt: skip
    return given


def parse_options(text: str, allowed: Iterable[str] = DEFAULT_ALLOWED_OPTIONS) -> tuple[str, ...]:
    """The options in `text`, each as ``--name`` or ``--name=value``; `ValueError` for one that may not pass."""
    allowed = frozenset(allowed)
    try:
        tokens = iter(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"has an unbalanced quote ({error})") from None
    options = []
    for token in tokens:
        name, given = name_and_value(token)
        _check_name(name, allowed)
        value = _value(name, given, tokens)
        options.append(f"--{name}" if value is None else f"--{name}={value}")
    return tuple(options)
