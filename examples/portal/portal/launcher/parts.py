"""The portal's own processes: how each is started and how it shows that it is ready."""

import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from pentad_services import GuardedProcess, ProcessGuard
from portal.launcher.environment import EXAMPLE, Addresses


class PartFailedError(RuntimeError):
    """A part of the portal ended, or did not become ready in time."""


@dataclass(frozen=True, slots=True)
class Part:
    """One program: its name, command line, where it runs, and what shows that it is ready: an address or a file."""

    name: str
    argv: list[str]
    where: str
    ready_url: str = ""
    ready_file: str = ""
    grace: float = 3.0


def parts(addresses: Addresses, state: Path) -> dict[str, Part]:
    """All programs of the portal, by name."""
    python = sys.executable
    gunicorn = ["--bind", f"127.0.0.1:{addresses.catalogue}", "--workers", "1", "--threads", "8"]
    quiet = ["--access-logfile", "-", "--graceful-timeout", "10", "--worker-tmp-dir", str(state)]
    quiet += ["--no-control-socket"]  # it would stand in the home of whoever starts the demo
    front = ["--factory", "portal.front.app:create_app", "--host", "127.0.0.1", "--port", str(addresses.front)]
    hub = EXAMPLE / "portal" / "hub" / "jupyterhub_config.py"
    every = (
        Part(
            "front door",
            [python, "-m", "uvicorn", *front, "--no-server-header"],
            addresses.public_url,
            f"{addresses.public_url}/signed-out",
        ),
        Part(
            "catalogue",
            [python, "-m", "gunicorn", *gunicorn, *quiet, "portal.catalogue.wsgi"],
            addresses.catalogue_url,
            f"{addresses.catalogue_url}/catalogue/health",
        ),
        Part(
            "follower",
            [python, str(EXAMPLE / "manage.py"), "follow", "--prepare"],
            "feeds the search; made tables, buckets, static files and the first data set",
            ready_file=str(state / "follower.json"),
        ),
        Part(
            "notebook hub",
            [python, "-m", "jupyterhub", "-f", str(hub)],
            addresses.hub_url,
            f"{addresses.hub_url}/hub/health",
            grace=5.0,
        ),
    )
    return {part.name: part for part in every}


class RunningPart:
    """A started part."""

    def __init__(self, part: Part, guard: ProcessGuard, environment: dict[str, str], logs: Path) -> None:
        self.part = part
        if part.ready_file:
            Path(part.ready_file).unlink(missing_ok=True)
        self.log = logs / f"{part.name.replace(' ', '-')}.log"
        self.process: GuardedProcess = guard.spawn(
            part.argv, env=environment, cwd=logs.parent, log=self.log, stop_signal=signal.SIGTERM, grace=part.grace
        )

    def wait_until_ready(self, timeout: float) -> None:
        """Ask the part's address until it answers, or look for its file.

        Raises:
            PartFailedError: the process ended or the time is over; carries the end of its log.
        """
        poll_until(self._is_ready, timeout, f"the {self.part.name} to be ready", alive=self.check_alive)

    def check_alive(self) -> None:
        """Raise PartFailedError if the process has ended."""
        code = self.process.poll()
        if code is not None:
            raise PartFailedError(
                f"the {self.part.name} ended with status {code}. Its log, {self.log}, ends:\n{self.process.tail()}"
            )

    def _is_ready(self) -> bool:
        if self.part.ready_file:
            return Path(self.part.ready_file).exists()
        try:
            return httpx.get(self.part.ready_url, timeout=2).status_code == 200
        except httpx.TransportError:
            return False


def poll_until(
    condition: Callable[[], bool], timeout: float, what: str, *, alive: Callable[[], None] | None = None
) -> None:
    """Ask until the condition holds: ten times a second at first, less often the longer it takes.

    Raises:
        PartFailedError: it did not hold within `timeout` seconds.
    """
    began = time.monotonic()
    while not condition():
        if alive is not None:
            alive()
        waited = time.monotonic() - began
        if waited > timeout:
            raise PartFailedError(f"waited {timeout:.0f} s in vain for {what}")
        time.sleep(min(0.5, 0.1 + waited / 50))
