"""What every finder shares: the order of places, the record of what was tried, versions, ports, waiting for a sign."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import random
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from pentad_services.errors import StartFailed, Unavailable
from pentad_services.guard import GuardedProcess

T = TypeVar("T")

# Below the range that the kernel gives to outgoing connections (32768 and up on Linux), and such
# that port + 10000 stays below it too: SeaweedFS puts its second ports there.
_PORTS = range(11000, 22000)


@dataclass(frozen=True)
class Program:
    """A program to run a service with: its file, its product name and version, and where it was found."""

    path: Path
    product: str
    version: str
    origin: str

    def __str__(self) -> str:
        return f"{self.product} {self.version} ({self.origin})"


@dataclass
class Search:
    """The steps tried for one service, so that `Unavailable` can say all of them in one line."""

    service: str
    remedy: str
    tried: list[str] = field(default_factory=list)

    @classmethod
    def of_server(cls, service: str, remedy: str) -> Self:
        """The search that `first_source` leaves to the server's own module: two places have been passed already."""
        return cls(service, remedy, [f"{_address_variable(service)} (not set)", "container (not asked for)"])

    def miss(self, step: str) -> None:
        """Note a step that led to nothing."""
        self.tried.append(step)

    def from_wheel(self, distribution: str, file_name: str, product: str, pattern: str) -> Program | None:
        """The program that a wheel brought, if it runs; its version is `pattern`'s first group."""
        path = in_wheel(distribution, file_name)
        if path is None:
            self.miss(f"wheel {distribution} (not installed)")
        elif version := printed_version([str(path), "--version"], pattern):
            return Program(path, product, version, "wheel")
        else:
            self.miss(f"{path} (does not run on this machine)")
        return None

    def unavailable(self) -> Unavailable:
        """The error that says what was tried and what would help."""
        return Unavailable(
            f"{self.service}: not available here. Tried: {'; '.join(self.tried)}. To get it: {self.remedy}."
        )


def first_source(
    service: str, docker: bool, *, given: Callable[[str], T], container: Callable[[], T], program: Callable[[], T]
) -> T:
    """The server from the first place there is: the address in PENTAD_TEST_..._URL, a container, a program."""
    if url := environment(_address_variable(service)):
        return given(url)
    return container() if asked_for_docker(docker) else program()


def _address_variable(service: str) -> str:
    return f"PENTAD_TEST_{service.upper()}_URL"


def numbers(version: str) -> tuple[int, ...]:
    """``"15.18"`` as ``(15, 18)``; what follows the numbers is ignored."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def printed_version(argv: list[str], pattern: str) -> str | None:
    """The first group of `pattern` in what a program prints about its version, or None."""
    try:
        printed = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    except OSError:
        return None
    found = re.search(pattern, printed.stdout + printed.stderr)
    return found[1] if found else None


def on_path(*names: str) -> list[Path]:
    """Programs of these names on PATH."""
    return [Path(found) for name in names if (found := shutil.which(name))]


def in_wheel(distribution: str, file_name: str) -> Path | None:
    """A file that an installed distribution brought, without importing the distribution's code."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == file_name:
            found = Path(str(file.locate())).resolve()
            if found.is_file():
                return found
    return None


def free_port(*offsets: int) -> int:
    """A loopback port that nobody listens on now, the same being true at each offset from it."""
    for port in random.sample(_PORTS, 500):
        if all(_is_free(port + offset) for offset in (0, *offsets)):
            return port
    raise StartFailed("no free port on 127.0.0.1 between 11000 and 22000; is something using them all?")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class PortTakenError(Exception):
    """Somebody else took the port between its choice and the server's start."""


def on_free_ports(service: str, attempt: Callable[[], T]) -> T:
    """Run `attempt`, again with other ports when it raises `PortTakenError`, three times at most."""
    for _ in range(3):
        with contextlib.suppress(PortTakenError):
            return attempt()
    raise StartFailed(f"{service}: three free ports in a row were taken by others while it started")


def wait_for_server(sign: Callable[[], bool], process: GuardedProcess, program: Program, taken: str) -> None:
    """As `wait_for`; PortTakenError when the log's end says so in the words `taken`."""
    try:
        wait_for(sign, process, str(program))
    except StartFailed:
        if taken in process.tail(60):
            raise PortTakenError from None
        raise


def wait_for(sign: Callable[[], bool], process: GuardedProcess, what: str, *, timeout: float = 180.0) -> None:
    """Wait until `sign()` is true; StartFailed with the log's end when the process ends or time runs out."""
    deadline, pause = time.monotonic() + timeout, 0.004
    while not sign():
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(pause)
            raise StartFailed(f"{what} ended with code {code} before it was ready. Its log ends:\n{process.tail()}")
        if time.monotonic() > deadline:
            process.kill()
            raise StartFailed(f"{what} was not ready after {timeout:.0f} seconds. Its log ends:\n{process.tail()}")
        pause = min(pause * 1.3, 0.1)


def environment(name: str) -> str | None:
    """An environment variable; empty counts as not set."""
    return os.environ.get(name) or None


def asked_for_docker(docker: bool) -> bool:
    """Whether containers were asked for, by argument or by PENTAD_TEST_DOCKER=1."""
    return docker or os.environ.get("PENTAD_TEST_DOCKER", "").lower() in {"1", "true", "yes"}
