"""The whole portal as one object: services, the portal's processes, and their end."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final, cast

from pentad_services import (
    PostgresService,
    ProcessGuard,
    RedisService,
    S3Service,
    Services,
    SlurmService,
    start_all,
    start_slurm,
)
from portal.launcher.database import portal_database
from portal.launcher.environment import (
    EXAMPLE,
    RUN_MARKER,
    Addresses,
    Environment,
    Environments,
    write_shell_environment,
)
from portal.launcher.parts import Part, RunningPart, parts
from portal.launcher.ports import free_ports
from portal.settings import CatalogueSettings, put_in_service

Say = Callable[[str], None]
FIRST_RELEASE: Final = 1
_READY_SECONDS: Final = 400.0  # of a slow machine with much else to do: a part that has ended is noticed at once


class Stack:
    """A running portal; it ends with the guard that it is started under.

    After `start`, `services` and `running` hold what runs, `environment` is the catalogue's environment and
    `settings` what it says.
    """

    def __init__(self, guard: ProcessGuard, state: Path, data: Path | None, say: Say, *, docker: bool = False) -> None:
        os.environ[RUN_MARKER] = secrets.token_hex(8)  # everything that is started inherits it
        self._guard = guard
        self._data = data
        self._docker = docker
        self._say = say
        self.state = state
        self.logs = state / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.addresses = Addresses(*free_ports(5))
        # A server that was found, not started, may hold another run's data: a temporary run has names of its own.
        self._name = "tern-point" if data else f"tern-point-{secrets.token_hex(4)}"
        self._environments = Environments(state, self.addresses, bucket_prefix=self._name)
        self._parts = parts(self.addresses, state)
        self.services = Services()
        self.running: dict[str, RunningPart] = {}
        self.environment: Environment = {}

    def start(self) -> None:
        """Start services and processes, each as soon as what it needs is there.

        The hub takes longest to start and needs only Redis and Slurm, so it does not wait for the others.

        Raises:
            PartFailedError: a part did not become ready.
            Unavailable, StartFailed: a service cannot be had, or does not start.
        """
        if not (self.state / "release").exists():
            put_in_service(self.state, FIRST_RELEASE)
        with ThreadPoolExecutor(max_workers=8) as pool:
            try:
                self._start_in(pool)
            except BaseException:
                self._guard.close()  # ends what has started, and with it what the pool's threads wait for
                raise

    def _start_in(self, pool: ThreadPoolExecutor) -> None:
        folder = _own_folder(self._data / "services") if self._data else None
        stores = pool.submit(self._start_services, ["s3", "postgres"], folder)
        cluster = pool.submit(self._start_slurm, folder)
        self._start_services(["redis"], folder)
        cluster.result()
        hub = pool.submit(self._start_part, "notebook hub", self._environments.of_hub(*self._redis_and_slurm()))
        stores.result()
        site = [pool.submit(self._start_part, *part) for part in self._site()]
        _raise_first([*site, hub])

    def _start_services(self, names: list[str], folder: Path | None) -> None:
        self.services.update(start_all(names, self._say, folder=folder, docker=self._docker, guard=self._guard))

    def _start_slurm(self, folder: Path | None) -> None:
        """Never in a container: a job of the portal needs the JupyterLab of this environment."""
        own_mock: dict[str, Any] | None = {} if self._docker else None
        service = start_slurm(folder / "slurm" if folder else None, guard=self._guard, config=own_mock)
        self.services["slurm"] = service
        self._say(service.line)

    def _redis_and_slurm(self) -> tuple[RedisService, SlurmService]:
        return cast("RedisService", self.services["redis"]), cast("SlurmService", self.services["slurm"])

    def _site(self) -> list[tuple[str, Environment]]:
        """The parts that show and feed pages, with their environments."""
        s3 = cast("S3Service", self.services["s3"])
        database = portal_database(cast("PostgresService", self.services["postgres"]), self._name)
        front = self._environments.of_front_door(*self._redis_and_slurm(), s3)
        self.environment = self._environments.of_catalogue(*self._redis_and_slurm(), s3, database)
        self.settings = CatalogueSettings.load(environ=self.environment)
        self.shell_environment = write_shell_environment(self.state, self.environment)
        return [("follower", self.environment), ("catalogue", self.environment), ("front door", front)]

    def _start_part(self, name: str, environment: Environment) -> None:
        part: Part = self._parts[name]
        running = RunningPart(part, self._guard, environment, self.logs)
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
            timeout=400,
        )

    def manage_command(self, *arguments: str) -> list[str]:
        """The command line of one of Django's commands."""
        return [sys.executable, str(EXAMPLE / "manage.py"), *arguments]

    def check_alive(self) -> None:
        """Raise PartFailedError or ServiceEnded if one of the processes that were started has ended by itself."""
        for service in self.services.values():
            service.check_alive()
        for running in list(self.running.values()):
            running.check_alive()


def _own_folder(folder: Path) -> Path:
    """The folder, closed to others: servers write sessions and private objects as files that anybody may read."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _raise_first(started: list["Future[None]"]) -> None:
    """Wait for all; raise what the one that failed first raised."""
    done, _ = wait(started, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
