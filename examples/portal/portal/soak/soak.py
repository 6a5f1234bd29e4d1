"""The soak as a whole: visitors, faults, the verdict and the plot."""

import threading
from pathlib import Path

from portal.front.accounts import Accounts
from portal.launcher.stack import Stack
from portal.soak.faults import Faults, shown
from portal.soak.record import Record
from portal.soak.verdict import Verdict
from portal.soak.visitors import Depositor, NotebookUser, Reader, Visitor

_READERS, _DEPOSITORS = 3, 4


def play_soak(stack: Stack, seconds: float, plot: Path | None) -> int:
    """Play visitors and faults for so many seconds; 0 if nothing was lost, doubled or without a reason, else 1."""
    record, over = Record(), threading.Event()
    visitors = _visitors(stack, record, over)
    faults = Faults(stack, record, over)
    for thread in (*visitors, faults):
        thread.start()
    over.wait(seconds)
    over.set()
    for thread in (faults, *visitors):
        thread.join(180)
    problems = list(Verdict(stack, record).problems())
    if faults.problem:
        problems.insert(0, str(faults.problem))
    _print(record, problems)
    if plot:
        from portal.soak.plot import draw

        draw(record, plot)
        print(f"plot: {plot}", flush=True)
    return 1 if problems else 0


def _visitors(stack: Stack, record: Record, over: threading.Event) -> list[Visitor]:
    accounts = Accounts(stack.state / "accounts.json")

    def password(name: str) -> str:
        return str(accounts.set_password(name, name.title(), "researcher").reveal())

    readers = [Reader(f"reader-{number}", stack, record, over) for number in range(_READERS)]
    members = {f"depositor-{number}": Depositor for number in range(_DEPOSITORS)} | {"notebook-user": NotebookUser}
    return [*readers, *(kind(name, stack, record, over, password=password(name)) for name, kind in members.items())]


def _print(record: Record, problems: list[str]) -> None:
    for line in shown(record.faults):
        print(line)
    failed = sum(1 for one in record.requests if one.failure)
    print(f"{len(record.requests)} requests, {failed} failed; {len(record.deposits)} deposits acknowledged,"
          f" {len(record.unsure)} without an answer; {record.spawned} notebooks")  # fmt: skip
    for (cause, what), count in sorted(record.failures().items()):
        print(f"  {cause or 'NO REASON':24} {what}: {count}")
    for problem in problems:
        print(f"PROBLEM  {problem}")
    held = "Nothing was lost or doubled, and every failure had its reason."
    print("The soak failed." if problems else held, flush=True)
