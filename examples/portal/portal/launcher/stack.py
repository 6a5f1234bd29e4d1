"""The whole portal as one object: services, the portal's processes, and their end."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, cast

from pentad_services import PostgresService, ProcessGuard, Services, start_all
from portal.launcher.environment import (
    EXAMPLE,
    RUN_MARKER,
    Addresses,
    portal_environment,
    write_shell_environment,
)
from portal.launcher.database import portal_database
from portal.launcher.parts import PartFailedError, RunningPart, parts
from portal.launcher.ports import free_ports
from portal.settings import PortalSettings, put_in_service

Say = Callable[[str], None]
_READY_SECONDS: Final = 90.0
FIRST_RELEASE: Final = 1


class Stack:
    """A running portal. Made by `start`; ends with its guard."""

    def __init__(self, guard: ProcessGuard, state: Path, say: Say) -> None:
        self._guard = guard
        self._say = say
        self.state = state
        self.logs = state / "logs"
        self.running: dict[str, RunningPart] = {}

    def start(self, data: Path | None) -> None:
        """Start the services side by side, then the portal's processes side by side.

        Raises:
            PartFailedError: a part did not become ready.
            Unavailable, StartFailed: a service cannot be had, or does not start.
        """
        os.environ[RUN_MARKER] = secrets.token_hex(8)
        self.logs.mkdir(parents=True, exist_ok=True)
        services = data / "services" if data else None
        self.services: Services = start_all(
            ["redis", "postgres", "s3", "slurm"], self._say, folder=services, guard=self._guard
        )
        database = portal_database(cast("PostgresService", self.services["postgres"]))
        self.addresses = Addresses(*free_ports(5))
        self.environment = portal_environment(self.state, self.services, self.addresses, database)
        self.environment |= _hub_ports(self.addresses)
        self.shell_environment = write_shell_environment(self.state, self.environment)
        self.settings = PortalSettings.load(environ=self.environment)
        if not (self.state / "release").exists():
            put_in_service(self.state, FIRST_RELEASE)
        self._start_parts()

    def _start_parts(self) -> None:
        """Everything at once; only the follower needs the tables, which `prepare_catalogue` makes."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            started = [pool.submit(self._start_part, name) for name in ("notebook hub", "front door")]
            started.append(pool.submit(self._start_catalogue))
            _raise_first(started)

    def _start_catalogue(self) -> None:
        finished = self.manage("prepare_catalogue")
        if finished.returncode != 0:
            raise PartFailedError(f"the catalogue could not be prepared:\n{finished.stdout}{finished.stderr}")
        self._say("catalogue: tables, buckets, static files and first data set are there")
        self._start_part("follower")
        self._start_part("catalogue")

    def _start_part(self, name: str) -> None:
        part = parts(self.addresses, self.state)[name]
        running = RunningPart(part, self._guard, self.environment, self.logs)
        self.running[name] = running
        running.wait_until_ready(_READY_SECONDS)
        self._say(f"{name}: {part.where}")

    def manage(self, *arguments: str, release: int = 0) -> subprocess.CompletedProcess[str]:
        """Run one of Django's commands to its end, with the code of a release (0: the one in service)."""
        return subprocess.run(
            self.manage_command(*arguments),
            env=self.environment | {"PORTAL_RELEASE": str(release)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def manage_command(self, *arguments: str) -> list[str]:
        """The command line of one of Django's commands."""
        return [sys.executable, str(EXAMPLE / "manage.py"), *arguments]

    def check_alive(self) -> None:
        """Raise PartFailedError if one of the portal's processes has ended by itself."""
        for running in list(self.running.values()):
            running.check_alive()


def _hub_ports(addresses: Addresses) -> dict[str, str]:
    """What only the hub needs to know; its configuration reads these."""
    return {
        "NOTEBOOK_HUB_PORT": str(addresses.hub),
        "NOTEBOOK_HUB_API_PORT": str(addresses.hub_api),
        "NOTEBOOK_HUB_PROXY_API_PORT": str(addresses.hub_proxy_api),
    }


def _raise_first(started: list["Future[None]"]) -> None:
    for future in started:
        future.result()
