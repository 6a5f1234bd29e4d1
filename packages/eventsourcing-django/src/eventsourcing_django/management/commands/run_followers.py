"""The command that keeps followers up to date."""

import signal
import threading
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from eventsourcing_django.election import Election, NoElection, UnsupportedElectionError, election_in
from eventsourcing_django.follower_daemon import DaemonOptions, FollowerDaemon, FollowerGivenUpError
from eventsourcing_django.health_file import HealthFileError, read_health
from eventsourcing_django.runners import get_eventsourcing_runner, selected_followers
from eventsourcing_django.synchronisation import Synchronizer

__all__ = ["Command"]

FOLLOWER_FAILS = 3
"""Exit status if a follower fails for good: it is not the daemon that needs a restart."""


class Command(BaseCommand):
    """Makes followers process the events of their leaders, from now on until SIGTERM or SIGINT.

    Any number of processes can run beside each other: one of them runs a follower, and another one takes over when
    it has died. Exits with status 0 after a signal, with 1 if it cannot work at all, and with 3 if a follower has
    failed `--max-failures` times in a row.
    """

    help = "Keep followers of an event-sourced system up to date with all of their leaders."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the followers' names and how to run them."""
        usual = DaemonOptions()
        parser.add_argument("follower", nargs="*", help="Name of a follower to run; all of them by default.")
        parser.add_argument(
            "--poll-interval", type=_seconds, default=usual.poll_interval, metavar="SECONDS",
            help="How often to look for events that were not announced and for followers whose process has died"
            " (default: %(default)s).",
        )  # fmt: skip
        parser.add_argument(
            "--max-backoff", type=_seconds, default=usual.longest_backoff, metavar="SECONDS",
            help="The longest wait before a follower that fails is tried again (default: %(default)s).",
        )  # fmt: skip
        parser.add_argument(
            "--max-failures", type=_number, metavar="N",
            help="Exit with status 3 if a follower has failed so often in a row; it is tried for ever by default.",
        )  # fmt: skip
        parser.add_argument(
            "--health-file", type=Path, metavar="PATH", help="Write to this file, every second, how the daemon is."
        )
        parser.add_argument(
            "--stale-after", type=_seconds, default=usual.stale_after, metavar="SECONDS",
            help="How old the health file of a daemon that works may be; longer than an event takes to be processed"
            " (default: %(default)s).",
        )  # fmt: skip
        parser.add_argument(
            "--check", action="store_true",
            help="Read the health file of another process and exit: 0 if it works, 1 if it does not, 3 if a follower"
            " fails.",
        )  # fmt: skip
        parser.add_argument(
            "--no-election", action="store_true",
            help="Take no locks: something else sees to it that a follower runs in one process.",
        )  # fmt: skip

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the command."""
        if options["check"]:
            self._check(options["health_file"])
            return
        runner = get_eventsourcing_runner()
        if not runner.is_started:
            runner.start()
        synchronizer = Synchronizer(runner)
        selected = selected_followers(options["follower"], runner.system.followers)
        elections = _elections(synchronizer, selected, wanted=not options["no_election"])
        with FollowerDaemon(synchronizer, elections, _daemon_options(options)) as daemon, _stopped_by_signals(daemon):
            if options["verbosity"] >= 1:
                self.stdout.write(f"Running {', '.join(selected)}; stop with SIGTERM.")
                self.stdout.flush()
            _run(daemon)

    def _check(self, path: Path | None) -> None:
        if path is None:
            raise CommandError("--check reads a health file: give --health-file as well.")
        try:
            health = read_health(path)
        except HealthFileError as error:
            raise CommandError(str(error)) from error
        if problem := health.problem():
            raise CommandError(f"{path}: {problem}")
        if failing := health.failing():
            raise CommandError(f"{path}: failing: {', '.join(failing)}", returncode=FOLLOWER_FAILS)
        self.stdout.write(f"{path}: works")


def _run(daemon: FollowerDaemon) -> None:
    try:
        daemon.run()
    except FollowerGivenUpError as error:
        raise CommandError(str(error), returncode=FOLLOWER_FAILS) from error
    except HealthFileError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"The lock of a follower cannot be made: {error}") from error


def _daemon_options(options: dict[str, Any]) -> DaemonOptions:
    return DaemonOptions(
        poll_interval=options["poll_interval"],
        longest_backoff=options["max_backoff"],
        max_failures=options["max_failures"],
        health_file=options["health_file"],
        stale_after=options["stale_after"],
    )


def _elections(synchronizer: Synchronizer, followers: Sequence[str], *, wanted: bool) -> dict[str, Election]:
    aliases = synchronizer.aliases(followers)
    outside = [name for name, alias in aliases.items() if alias is None]
    if not wanted:
        nobody_else = NoElection()
        return dict.fromkeys(followers, nobody_else)
    if outside:
        raise CommandError(
            f"There is no election for {', '.join(outside)}, whose events are outside Django's databases: run one"
            " process, with --no-election."
        )
    try:
        by_alias = {alias: election_in(alias) for alias in set(aliases.values()) if alias}
    except UnsupportedElectionError as error:
        raise CommandError(f"{error}: run one process, with --no-election.") from error
    return {name: by_alias[alias] for name, alias in aliases.items() if alias}


@contextmanager
def _stopped_by_signals(daemon: FollowerDaemon) -> Iterator[None]:
    """Stop the daemon with the first SIGTERM or SIGINT; the second one does what it always does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can have handlers
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        daemon.stop()

    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)
