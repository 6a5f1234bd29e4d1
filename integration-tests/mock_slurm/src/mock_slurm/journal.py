"""The controller's memory: one line of JSON for every change of a job, in one append-only file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .job import Job

__all__ = ["Journal"]


class Journal:
    """Jobs and node states on disk.

    A line is handed to the kernel before the change is answered, so a killed controller loses nothing that a client
    has been told.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.jsonl"
        self.jobs: dict[int, Job] = {}
        self.extra: dict[str, Any] = {}
        self._load()
        self._compact()
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _load(self) -> None:
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                # Only the last line can be torn: its change was never answered to anybody.
                continue
            if "job" in entry:
                job = Job.from_dict(entry["job"])
                self.jobs[job.id] = job
            else:
                self.extra.update(entry)

    def _compact(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(_line(self.extra))
            for job in self.jobs.values():
                file.write(_line({"job": job.to_dict()}))
        fresh.replace(self._path)

    def write(self, job: Job) -> None:
        """Keep this job as it is now."""
        self.jobs[job.id] = job
        os.write(self._file, _line({"job": job.to_dict()}))

    def note(self, **values: Any) -> None:
        """Keep values that belong to no job, such as node states."""
        self.extra.update(values)
        os.write(self._file, _line(values))

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"
