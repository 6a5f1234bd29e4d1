"""The command: `demo.py [--check | --soak SECONDS] [--data DIR]`."""

import argparse
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pentad_config import ConfigError
from pentad_services import ProcessGuard, ServiceEnded, StartFailed, Unavailable
from portal.launcher.parts import PartFailedError
from portal.launcher.stack import Stack
from portal.launcher.table import print_table

_PEOPLE = {"ada": ("Ada Lindqvist", "researcher"), "grace": ("Grace Okafor", "curator")}


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM."""


def main(arguments: list[str] | None = None) -> int:
    """Start the portal, then wait or play the visit; returns the exit code."""
    options = _options(arguments)
    _stop_on_signals()
    try:
        with ProcessGuard(end_with_parent=True) as guard:
            return _run(guard, options)
    except _Stopped:
        print("\nStopped.", flush=True)
        return 0
    except (PartFailedError, ServiceEnded, StartFailed, Unavailable, ConfigError) as error:
        print(f"\nThe portal stopped: {error}", file=sys.stderr, flush=True)
        return 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo.py", description="Start the research-data portal on this machine.")
    parser.add_argument("--check", action="store_true", help="play a visit over HTTP, print each step, and exit")
    parser.add_argument(
        "--visitors", type=int, default=2, metavar="N", help="with --check: visitors while the release is replaced (2)"
    )
    parser.add_argument(
        "--soak",
        type=float,
        metavar="SECONDS",
        help="play visitors while services are killed and keys rotate, and exit",
    )
    parser.add_argument(
        "--docker",
        action="store_true",
        help="run Redis, PostgreSQL and the S3 server as containers of compose.yaml (jobs need this Python: no Slurm)",
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="with --soak: draw what happened")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep everything here; a later start finds it again")
    parser.add_argument("--new-passwords", action="store_true", help="with --data: give the two people new passwords")
    options = parser.parse_args(arguments)
    if options.docker and (options.data or options.soak):
        parser.error("containers keep nothing: --docker goes neither with --data nor with --soak")
    return options


def _run(guard: ProcessGuard, options: argparse.Namespace) -> int:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"  {time.monotonic() - began:5.1f} s  {line}", flush=True)

    state = _state_folder(guard, options.data)
    data = options.data.resolve() if options.data else None
    if options.soak:
        data = data or guard.folder / "kept"  # what is killed shall find its data again
    stack = Stack(guard, state, data, say, docker=options.docker)
    print("Starting the portal (Ctrl-C stops it)", flush=True)
    stack.start()
    try:
        if options.check:
            from portal.check.visit import play_visit

            return play_visit(stack, options.visitors)
        if options.soak:
            from portal.soak.soak import play_soak

            return play_soak(stack, options.soak, options.plot)
        passwords = _people(state, renew=options.new_passwords)
        print_table(stack, passwords, time.monotonic() - began)
        wait_for_end(stack)
    finally:
        say("stopping")


def _state_folder(guard: ProcessGuard, data: Path | None) -> Path:
    state = data.resolve() / "portal" if data else Path(tempfile.mkdtemp(prefix="portal-", dir=guard.folder))
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return state


def _people(state: Path, *, renew: bool) -> dict[str, str]:
    """Accounts of the two people of the demo; returns the passwords of those that got one now."""
    from portal.front.accounts import Accounts

    accounts = Accounts(state / "accounts.json")
    known = accounts.all()
    new = [name for name in _PEOPLE if renew or name not in known]
    return {name: str(accounts.set_password(name, *_PEOPLE[name]).reveal()) for name in new}


def wait_for_end(stack: Stack) -> NoReturn:
    """Wait for a signal.

    Raises:
        PartFailedError, ServiceEnded: one of the portal's processes has ended by itself.
    """
    while True:
        threading.Event().wait(1.0)
        stack.check_alive()


def _stop_on_signals() -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Stopped

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
