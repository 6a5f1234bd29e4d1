"""A Chromium to drive: a given program, one on the system, or one that playwright installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from pathlib import Path

from pentad_services._finding import Search, environment, numbers, on_path, printed_version
from pentad_services.errors import StartFailed
from pentad_services.guard import ProcessGuard
from pentad_services.service import Service

__all__ = ["BrowserService", "find_browser"]

MINIMUM = "120"
"""Oldest Chromium that is used."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell")
_REMEDY = "apt install chromium, or run 'playwright install chromium', or set PENTAD_TEST_BROWSER=/path/to/chromium"
_VERSION = r"(?:Chromium|Chrome)\D*(\d[\d.]*)"


@dataclass
class BrowserService(Service):
    """A browser program, to be started by playwright: ``launch(executable_path=..., args=...)``."""

    executable: str = ""
    launch_args: list[str] = field(default_factory=list)


def find_browser(
    folder: Path | None = None,  # noqa: ARG001 - the services have one signature
    docker: bool = False,  # noqa: ARG001
    *,
    guard: ProcessGuard | None = None,  # noqa: ARG001
) -> BrowserService:
    """Find Chromium. The parameters are those of the other services and change nothing here.

    Raises Unavailable when there is none, StartFailed when PENTAD_TEST_BROWSER does not name one.
    """
    if given := environment("PENTAD_TEST_BROWSER"):
        version = printed_version([given, "--version"], _VERSION)
        if version is None:
            raise StartFailed(f"browser: PENTAD_TEST_BROWSER names {given}, which does not say that it is Chromium")
        return _found(Path(given), version, "PENTAD_TEST_BROWSER")
    search = Search("browser", _REMEDY, ["PENTAD_TEST_BROWSER (not set)"])
    # One after the other: to ask playwright means to start it.
    for path, origin in chain(((path, "system") for path in on_path(*_NAMES)), _from_playwright()):
        version = printed_version([str(path), "--version"], _VERSION)
        if version and numbers(version) >= numbers(MINIMUM):
            return _found(path, version, origin)
        search.miss(f"{path} (version {version or 'unknown'}, needs {MINIMUM} or newer)")
    search.miss(f"{', '.join(_NAMES)} (not on PATH, or too old); playwright's own (not installed)")
    raise search.unavailable()


def _from_playwright() -> Iterator[tuple[Path, str]]:
    """The Chromium that ``playwright install`` fetched, asked from playwright itself."""
    try:
        sync_api = import_module("playwright.sync_api")
    except ImportError:
        return
    with sync_api.sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    if path.exists():
        yield path, "playwright"


def _found(path: Path, version: str, origin: str) -> BrowserService:
    # Its sandbox refuses root; /dev/shm is too small in containers. --headless is playwright's own default.
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return BrowserService(
        f"browser: chromium {version} ({origin}), {path}", executable=str(path), launch_args=arguments
    )
