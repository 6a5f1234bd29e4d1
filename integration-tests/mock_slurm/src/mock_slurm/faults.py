"""What can go wrong between a command and its controller, on order."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

__all__ = ["Fault", "FaultBoard", "Faults"]

_KINDS = ("delay", "fail", "freeze", "drop")


@dataclasses.dataclass
class Fault:
    """One ordered failure.

    `program` is a command's name or "*"; `times` is for how many calls (None = until cleared); `containing` limits it
    to calls whose arguments contain this text. Kinds: `delay` answers after `seconds`; `fail` answers with `code`,
    `out` and `err` and does nothing; `freeze` gives no answer and acts only after `thaw()` (never, if `lost`);
    `drop` acts at once and gives no answer.
    """

    kind: str
    program: str = "*"
    times: int | None = None
    containing: str = ""
    seconds: float = 0.0
    code: int = 1
    out: str = ""
    err: str = ""
    lost: bool = False

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; known are: {', '.join(_KINDS)}")

    def matches(self, program: str, args: list[str]) -> bool:
        """Whether this call is to suffer."""
        return self.program in {"*", program} and self.containing in " ".join(args) and self.times != 0


class FaultBoard:
    """The controller's list of ordered faults, consulted in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._hits = 0
        self._frozen: list[asyncio.Event] = []

    def next_for(self, program: str, args: list[str]) -> Fault | None:
        """The fault for this call, counted down."""
        for fault in self._faults:
            if fault.matches(program, args):
                self._hits += 1
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    async def thawed(self) -> None:
        """Wait until the freeze ends."""
        event = asyncio.Event()
        self._frozen.append(event)
        await event.wait()

    def change(self, action: str, order: dict[str, Any]) -> dict[str, int]:
        """Apply one of: add (with a fault's fields), thaw, clear, count."""
        if action == "add":
            self._faults.append(Fault(**order))
        elif action in {"thaw", "clear"}:
            self._faults = [] if action == "clear" else [fault for fault in self._faults if fault.kind != "freeze"]
            for event in self._frozen:
                event.set()
            self._frozen = []
        elif action != "count":
            raise ValueError(f"unknown order {action!r}")
        return {"hits": self._hits, "frozen": len(self._frozen), "active": len(self._faults)}


class Faults:
    """Orders faults at a running controller; `send` carries an order there."""

    def __init__(self, send: Callable[..., Any]) -> None:
        self._send = send

    def delay(self, program: str = "*", *, seconds: float, times: int | None = None, containing: str = "") -> None:
        """Answer these calls late."""
        self._add(Fault("delay", program, times, containing, seconds=seconds))

    def fail(
        self, program: str = "*", *, err: str, code: int = 1, out: str = "", times: int | None = None,
        containing: str = "",
    ) -> None:  # fmt: skip
        """Answer these calls with this output and exit code; nothing is done."""
        self._add(Fault("fail", program, times, containing, code=code, out=out, err=err))

    def freeze(self, program: str = "*", *, times: int | None = None, lost: bool = False, containing: str = "") -> None:
        """Leave these calls without an answer.

        They are carried out after `thaw()`, as by a slurmctld that hung; with `lost` they never are.
        """
        self._add(Fault("freeze", program, times, containing, lost=lost))

    def drop(self, program: str = "*", *, times: int | None = None, containing: str = "") -> None:
        """Carry these calls out at once and never answer them."""
        self._add(Fault("drop", program, times, containing))

    def munge_down(self, *, times: int | None = None) -> None:
        """Let every command fail as it does without the authentication daemon."""
        for program, (requests, last) in _MUNGE.items():
            lines = [line for name in requests for line in _munge_lines(program, name)]
            self.fail(program, err="".join(f"{line}\n" for line in [*lines, last]), times=times)
        self.fail("slurmrestd", err="Protocol authentication error", code=1007, times=times)

    def database_down(self, *, times: int | None = None) -> None:
        """Let sacct fail as it does without slurmdbd; the other commands go on."""
        self.fail("sacct", err=_DATABASE_DOWN, times=times)

    def thaw(self) -> None:
        """End every freeze; what it held up is carried out now."""
        self._send({"do": "thaw"})

    def clear(self) -> None:
        """Remove every fault, freezes included."""
        self._send({"do": "clear"})

    def count(self) -> dict[str, int]:
        """{"hits": calls that suffered so far, "frozen": calls held up now, "active": faults on the list}."""
        found: dict[str, int] = self._send({"do": "count"})
        return found

    def _add(self, fault: Fault) -> None:
        self._send({"do": "add", **dataclasses.asdict(fault)})


_MUNGE = {
    "squeue": (("REQUEST_FED_INFO", "REQUEST_JOB_INFO_SINGLE"), "slurm_load_jobs error: Protocol authentication error"),
    "sinfo": (("REQUEST_PARTITION_INFO",), "slurm_load_partitions: Protocol authentication error"),
    "sbatch": (
        ("REQUEST_SUBMIT_BATCH_JOB",),
        "sbatch: error: Batch job submission failed: Protocol authentication error",
    ),
    "scancel": (("REQUEST_KILL_JOB",), "scancel: error: Kill job error: Protocol authentication error"),
    "scontrol": (("REQUEST_JOB_INFO",), "slurm_load_jobs error: Protocol authentication error"),
}
_DATABASE_DOWN = (
    "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to"
    " host:127.0.0.1:6819: Connection refused\n"
    "sacct: error: Sending PersistInit msg: Connection refused\n"
    "sacct: error: Problem talking to the database: Connection refused\n"
)


_MUNGE_MISSING = 'Failed to access "/run/munge/munge.socket.2": No such file or directory (Did you start munged?)'


def _munge_lines(program: str, request: str) -> list[str]:
    return [
        f"{program}: error: If munged is up, restart with --num-threads=10",
        f"{program}: error: Munge encode failed: {_MUNGE_MISSING}",
        f"{program}: error: slurm_send_node_msg: auth_g_create: {request} has authentication error",
    ]
