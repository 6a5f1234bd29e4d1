"""`manage.py follow`: keep the search projection in step with the events, until told to stop."""

import logging
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from portal.catalogue.datasets.follower_files import health_file, release_file
from portal.catalogue.datasets.search_feed import SearchFeed, fill_in_licences
from portal.settings import catalogue_settings, release_in_service

_LOOK_EVERY = 0.5  # seconds between two looks at the release in service
_LONGEST_BACKOFF = 4.0  # seconds: a visitor waits for what they deposited to be found
_log = logging.getLogger(__name__)


class Command(BaseCommand):
    """Runs `run_followers`, with the release that is in service."""

    requires_system_checks: tuple[str, ...] = ()  # `check` and `migrate` run them; this starts with the portal
    help = "Feed the search projection from the curation's events, until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--prepare`: see `prepare_catalogue`."""
        parser.add_argument("--prepare", action="store_true", help="run prepare_catalogue first, in this process")

    def handle(self, *args: Any, **options: Any) -> None:
        """Follow until the process is stopped; when another release comes into service, start anew with it."""
        if options["prepare"]:
            call_command("prepare_catalogue")
        filled = fill_in_licences()
        if filled:
            _log.info("filled in the licence of %d entries from their events", filled)
        release_file().write_text(str(settings.CATALOGUE_RELEASE), encoding="ascii")
        replaced = threading.Event()
        threading.Thread(target=_stop_for_another_release, args=[replaced], daemon=True).start()
        call_command(
            "run_followers", SearchFeed.name, health_file=health_file(), max_backoff=_LONGEST_BACKOFF, verbosity=0
        )
        if replaced.is_set():
            _log.info("another release is in service; starting anew")
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very program, no shell


def _stop_for_another_release(replaced: threading.Event) -> None:
    """Wait for another release, and stop the followers then in the way in which they always are."""
    if catalogue_settings().release:
        return  # this process was told which release it is
    while release_in_service(catalogue_settings().folder) == settings.CATALOGUE_RELEASE:
        threading.Event().wait(_LOOK_EVERY)
    replaced.set()
    os.kill(os.getpid(), signal.SIGTERM)
