"""Pytest plugin: fixtures for real services, started on first use and shared by the session.

A service that cannot be had skips the tests that ask for it, and fails them where services are
required: in CI (``CI=true``) or with ``PENTAD_REQUIRE_SERVICES=1``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pentad_services.guard import ProcessGuard
    from pentad_services.mariadb import MariaDBService
    from pentad_services.postgres import PostgresService
    from pentad_services.redis import RedisService
    from pentad_services.s3 import S3Service
    from pentad_services.service import Service

# Its databases hold what tests write and nothing else, and tests make addresses with users of their own from its URL.
_OPTIONS: dict[str, dict[str, Any]] = {"redis": {"password": ""}}
_LINES = pytest.StashKey[list[str]]()


def _truthy(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in {"1", "true", "yes", "on"}


def services_are_required() -> bool:
    """Whether a missing service is a failure: in CI, or when asked for."""
    return _truthy("CI") or _truthy("PENTAD_REQUIRE_SERVICES")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the list of lines for the summary."""
    config.stash[_LINES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which services the tests ran against."""
    if lines := config.stash[_LINES]:
        terminalreporter.section("services")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def process_guard() -> Iterator[ProcessGuard]:
    """A guard for processes that tests start: they end with the session, however it ends."""
    from pentad_services.guard import ProcessGuard

    with ProcessGuard(end_with_parent=_truthy("PENTAD_END_WITH_PARENT")) as guard:
        yield guard


def _service_fixture(name: str, doc: str) -> Callable[..., Iterator[Any]]:
    """The session's fixture ``<name>_service``: started for the first test that asks, stopped after the last."""

    def service(pytestconfig: pytest.Config, process_guard: ProcessGuard) -> Iterator[Any]:
        running = _started(name, process_guard)
        pytestconfig.stash[_LINES].append(running.line)
        yield running
        running.stop()

    service.__doc__ = doc
    return pytest.fixture(service, scope="session", name=f"{name}_service")


def _started(name: str, guard: ProcessGuard) -> Service:
    from pentad_services.errors import Unavailable
    from pentad_services.starting import STARTERS

    try:
        return STARTERS[name](guard=guard, **_OPTIONS.get(name, {}))
    except Unavailable as reason:
        if services_are_required():
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))


redis_service = _service_fixture("redis", "A Redis-compatible server; `.url` is its database 0, which nothing empties.")
postgres_service = _service_fixture(
    "postgres", "A PostgreSQL server: `.url`, `.create_database(name=None)`, `.drop_database(url)`."
)
mariadb_service = _service_fixture(
    "mariadb", "A MariaDB server: `.url`, `.create_database(name=None)`, `.drop_database(url)`."
)
s3_service = _service_fixture("s3", "An S3 server: `.endpoint`, `.access_key`, `.secret_key`, `.region`, `.secure`.")
slurm_service = _service_fixture(
    "slurm", 'Slurm\'s commands: `.bin_dir`, `.environ`, `.kind` (``"mock"`` or ``"real"``).'
)
browser_service = _service_fixture("browser", "A Chromium: `.executable`, `.launch_args`.")


@pytest.fixture
def redis_url(redis_service: RedisService) -> str:
    """The URL of an emptied logical database."""
    return redis_service.empty_database()


@pytest.fixture
def postgres_database(postgres_service: PostgresService) -> Iterator[str]:
    """The URL of a fresh database, dropped after the test."""
    url = postgres_service.create_database()
    yield url
    postgres_service.drop_database(url)


@pytest.fixture
def mariadb_database(mariadb_service: MariaDBService) -> Iterator[str]:
    """The URL of a fresh database, dropped after the test."""
    url = mariadb_service.create_database()
    yield url
    mariadb_service.drop_database(url)


@pytest.fixture
def s3_bucket(s3_service: S3Service) -> Iterator[str]:
    """The name of a fresh, empty bucket, deleted after the test."""
    name = s3_service.create_bucket()
    yield name
    s3_service.drop_bucket(name)


# Not for the session: as long as it is there, an event loop runs in this thread.
@pytest.fixture(scope="module")
def chromium(browser_service: Any) -> Iterator[Any]:
    """A headless Chromium that playwright drives."""
    # Only who asks for this needs playwright.
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(browser_service.executable), args=list(browser_service.launch_args)
        )
        yield browser
        browser.close()
