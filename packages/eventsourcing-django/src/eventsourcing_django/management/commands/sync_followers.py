"""The command that brings followers up to date."""

import traceback
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from django.core.exceptions import (
    EmptyResultSet,
    FieldDoesNotExist,
    FieldError,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
)
from django.core.management.base import BaseCommand, CommandError

from eventsourcing_django.library import EventSourcingError, name_of
from eventsourcing_django.progress_bar import ProgressBar
from eventsourcing_django.runners import get_eventsourcing_runner, selected_followers
from eventsourcing_django.synchronisation import FollowerReport, Synchronizer, rolled_back

__all__ = ["Command", "get_eventsourcing_runner"]

# Errors that say something about the data; any other one is a defect, and is shown with its traceback.
_EXPECTED_ERRORS = (
    EmptyResultSet,
    FieldDoesNotExist,
    FieldError,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    EventSourcingError,
)


class Command(BaseCommand):
    """Makes followers process the events that their leaders have recorded.

    Exits with status 1 if a follower failed; the others are synchronised all the same.
    """

    help = "Synchronize followers of an event-sourced system with all of their leaders."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the followers' names and the dry run."""
        parser.add_argument("follower", nargs="*", help="Name of a follower to synchronize; all of them by default.")
        parser.add_argument(
            "-n",
            "--dry-run",
            action="store_true",
            help="Load and process all unseen events for the selected followers, but roll back all changes at the end.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the command."""
        self._verbosity: int = options["verbosity"]
        self._suffix = " (dry run)" if options["dry_run"] else ""
        runner = get_eventsourcing_runner()
        if not runner.is_started:
            runner.start()
        synchronizer = Synchronizer(runner)
        selected = selected_followers(options["follower"], runner.system.followers)
        self._print_heading(selected, options["follower"])
        if options["dry_run"]:
            with _dry_run(synchronizer, selected):
                failed = self._sync(synchronizer, selected)
        else:
            failed = self._sync(synchronizer, selected)
        if failed:
            raise CommandError(self._hint(failed))

    def _sync(self, synchronizer: Synchronizer, selected: Sequence[str]) -> list[str]:
        bar = self._progress_bar(synchronizer)
        reports = synchronizer.sync(selected, bar)
        failed = []
        for number, name in enumerate(selected, 1):
            with bar.behind(f"[{number}/{len(selected)}] Synchronizing {name}... "):
                report = next(reports)
            failed += self._print_report(report)
        while True:
            # Who comes next is known only when it is done.
            with bar.behind(""):
                later = next(reports, None)
            if later is None:
                return failed
            self._print(1, f"Synchronizing {later.follower} with the new events... ", ending="")
            failed += self._print_report(later)

    def _progress_bar(self, synchronizer: Synchronizer) -> ProgressBar:
        leaders = {name_of(leader): leader for leader in synchronizer.leaders_of(synchronizer.followers)}
        return ProgressBar(
            lambda text: self._print(1, text, ending=""),
            lambda name: leaders[name].recorder.max_notification_id(),
            is_drawn=self._verbosity >= 1 and self.stdout.isatty(),
        )

    def _print_report(self, report: FollowerReport) -> list[str]:
        for leader, count in report.events.items():
            self._print(2, f"{count} from {leader}; ", ending="")
        if report.error is None:
            self._print(1, self.style.SUCCESS(f"OK{self._suffix}"))
            return []
        self._print(1, self.style.ERROR(f"FAILED{self._suffix}"))
        self._print_error(report.error)
        return [report.follower]

    def _print_error(self, error: Exception) -> None:
        if not isinstance(error, _EXPECTED_ERRORS):
            self.stderr.write("".join(traceback.format_exception(error)))
        elif self._verbosity >= 2:
            self.stderr.write("\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])]))

    def _print_heading(self, selected: Sequence[str], named: Sequence[str]) -> None:
        which = f"{len(selected)} selected" if named else f"all {len(selected)}"
        self._print(1, self.style.MIGRATE_HEADING(f"Synchronizing {which} follower(s){self._suffix}:"))

    def _print(self, verbosity: int, text: str, *, ending: str = "\n") -> None:
        if self._verbosity >= verbosity:
            self.stdout.write(text, ending=ending)
            self.stdout.flush()

    def _hint(self, failed: Iterable[str]) -> str:
        more = "" if self._verbosity >= 2 else " Run with --verbosity 2 to see the errors."
        return f"Not synchronized because of errors: {', '.join(dict.fromkeys(failed))}.{more}"


def _dry_run(synchronizer: Synchronizer, selected: Sequence[str]) -> AbstractContextManager[None]:
    aliases = synchronizer.aliases(synchronizer.reach(selected))
    outside = [name for name, alias in aliases.items() if alias is None]
    if outside:
        raise CommandError(
            f"A dry run would change {', '.join(outside)} for good: they keep their events outside Django's databases."
        )
    applications = [synchronizer.application(name) for name in aliases]
    return rolled_back(applications, [alias for alias in aliases.values() if alias])
