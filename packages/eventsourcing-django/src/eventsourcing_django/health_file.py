"""The file that says how a daemon is, for whoever has to notice that it is not well."""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

__all__ = ["DaemonHealth", "FollowerHealth", "HealthFileError", "read_health"]

_VERSION = 1


class HealthFileError(Exception):
    """Raised when there is no health file, none that can be understood, or none can be written."""


@dataclass
class FollowerHealth:
    """How a follower is.

    Attributes:
        status: ``following``, ``standby`` (another process has its lock) or ``failing`` (or no database of the locks).
        positions: the notification ID up to which each leader has been processed, as far as this process knows.
        processed: how many events this process has processed.
        failures: how often in a row it has failed.
        error: the class of the last error, while it is failing. The text is in the log, where secrets can be kept.
        retry_at: when it is tried again, in ISO 8601 and UTC, while it is failing.
    """

    status: str = "standby"
    positions: dict[str, int] = field(default_factory=dict)
    processed: int = 0
    failures: int = 0
    error: str | None = None
    retry_at: str | None = None


@dataclass
class DaemonHealth:
    """How a daemon is, as it writes it and as it is read.

    Attributes:
        followers: by name.
        stale_after: seconds; a file that is older was not written by a daemon that works.
        status: ``running``, or ``stopped`` by a signal.
        pid: of the process.
        host: its machine's name.
        started_at: ISO 8601 in UTC.
        written_at: ISO 8601 in UTC.
        version: of the format, 1.
    """

    followers: dict[str, FollowerHealth]
    stale_after: float
    status: str = "running"
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)
    started_at: str = field(default_factory=lambda: _now().isoformat())
    written_at: str = ""
    version: int = _VERSION

    def write(self, path: Path) -> None:
        """Replace the file in one step: a reader sees the one before or this one.

        Raises:
            HealthFileError: it cannot be written.
        """
        self.written_at = _now().isoformat()
        try:
            self._replace(path)
        except OSError as error:
            raise HealthFileError(f"The health file {path} cannot be written: {error}") from error

    def _replace(self, path: Path) -> None:
        with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                json.dump(asdict(self), file, indent=1)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def problem(self) -> str | None:
        """Say why the daemon does not work, None if it does."""
        if self.status != "running":
            return f"the daemon is {self.status}"
        age = _now() - datetime.fromisoformat(self.written_at)
        # A file from the future has not been written since the clock was put back.
        if abs(age) > timedelta(seconds=self.stale_after):
            when = f"{abs(age).total_seconds():.0f} s {'ago' if age > timedelta() else 'ahead of the clock'}"
            return f"stale: written {when}, more than {self.stale_after:.0f} s"
        return None

    def failing(self) -> list[str]:
        """Give the names of followers that fail."""
        return [name for name, follower in self.followers.items() if follower.status == "failing"]


def read_health(path: Path) -> DaemonHealth:
    """Read what a daemon has written.

    Raises:
        HealthFileError: there is no such file, or it was not written by a daemon.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise HealthFileError(f"There is no health file {path}") from error
    except (OSError, ValueError) as error:
        raise HealthFileError(f"The health file {path} cannot be read: {error}") from error
    return _parsed(path, content)


def _parsed(path: Path, content: Any) -> DaemonHealth:
    if not isinstance(content, Mapping) or content.get("version") != _VERSION:
        raise HealthFileError(f"{path} is no health file of version {_VERSION}")
    try:
        followers = {name: FollowerHealth(**values) for name, values in content["followers"].items()}
        health = DaemonHealth(**{**content, "followers": followers})
        health.problem()  # what cannot be judged was not written by a daemon
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HealthFileError(f"{path} is no health file: {error}") from error
    return health


def _now() -> datetime:
    return datetime.now(UTC)
