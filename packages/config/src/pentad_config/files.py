"""Secret files: read whole and untorn, re-read when they change, never replaced by something worse."""

from __future__ import annotations

import os
import stat
import time
from _thread import allocate_lock

from pentad_config.errors import ConfigError, Problem, SecretMisuse, warn
from pentad_config.sources import Source, live_sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    #: Device, inode, modification and change time (ns) and size: what tells one generation of a file from the next.
    Signature = tuple[int, int, int, int, int]

#: A file younger than this may be half-written, or be rewritten within the same tick of the file system's clock.
QUIET_NS = 50_000_000
_TRIES = 12


def signature(status: os.stat_result) -> Signature:
    """Return what identifies one generation of a file."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


class FileSource(Source):
    """A file's content without its final line break.

    The file is looked at no more often than every `ttl` seconds. A version that is younger than 50 ms, changes
    while it is read, is empty or otherwise unusable is not adopted: the last good value keeps serving and
    `problem` says why. Only when there is no good value yet is the problem raised.
    """

    __slots__ = ("_binary", "_due", "_limit", "_ttl", "generation", "lock", "path")

    def __init__(self, path: str, name: str, *, ttl: float, limit: int, binary: bool) -> None:
        super().__init__(name)
        self.path = path
        self.generation: Signature | None = None
        self._ttl = ttl
        self._limit = limit
        self._binary = binary
        self._due = 0.0
        self.lock = allocate_lock()

    @property
    def ref(self) -> str:  # type: ignore[override]
        """The reference `file:PATH`."""
        return f"file:{self.path}"

    @property
    def age(self) -> float | None:
        """Seconds since the adopted version was written, or None before the first read."""
        if self.generation is None:
            return None
        return max(0.0, time.time() - self.generation[2] / 1e9)

    def read(self, *, force: bool = False) -> str | bytes:
        """Return the adopted version's content. Raises ConfigError only if there has never been one."""
        now = time.monotonic()
        if self.recent and not force and now < self._due:
            return self.recent[0]
        self._due = now + self._ttl
        problems = self._look()
        if problems and not self.recent:
            # A new error, raised here: the frames in which it was found hold the file's content.
            raise ConfigError(problems)
        self._note(problems)
        return self.recent[0]

    def _look(self) -> list[Problem]:
        """Adopt the file if it changed; return what is wrong with it."""
        found: list[Problem] = []
        for _ in range(2):  # twice: a folder that is swapped may be gone between resolving its link and opening
            try:
                if not self.recent or signature(os.stat(self.path)) != self.generation:
                    self._adopt()
            except (OSError, ValueError, SecretMisuse) as error:
                if isinstance(error, SecretMisuse) and not self.recent:
                    raise
                found = self._explained(error)
                if not isinstance(error, FileNotFoundError):
                    break
            else:
                return []
        return found

    def _note(self, problems: list[Problem]) -> None:
        """Keep the problem, and say it once in the log."""
        if not problems:
            self.problem = None
        elif self.problem is None or self.problem.problems != problems:
            self.problem = ConfigError(problems)
            warn(f"{problems[0]} The last good value is still used.")

    def _adopt(self) -> None:
        with self.lock:
            before: Signature | None = None
            for _ in range(_TRIES):
                raw, generation, settled = self._read_once()
                # Unchanged since the last look, a moment ago: so it stands still whatever a server's clock says.
                if generation is not None and (settled or generation == before):
                    self.remember(self._cleaned(raw))
                    self.generation = generation
                    return
                if self.recent:
                    self._due = 0.0  # still being written: serve the last good value and look again at once
                    return
                before = generation
                time.sleep(QUIET_NS / 1e9)
            del raw  # a traceback with local variables would show it
            self._refuse("kept changing while it was read. Write a new file and rename it over the old one.")

    def _read_once(self) -> tuple[bytes, Signature | None, bool]:
        """Return content, generation (None if it changed meanwhile) and whether its time says that it stands still."""
        # Taken before the read: a pause after it must not make the file look older than it was.
        now = time.time_ns()
        # One open: a symbolic link that is swapped meanwhile cannot mix two files. Non-blocking: a FIFO answers too.
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            self._check_kind(before)
            raw = file.read(self._limit + 1)
            after = os.fstat(descriptor)
        settled = now - before.st_mtime_ns >= QUIET_NS or before.st_mtime_ns - now > 60_000_000_000
        return raw, signature(after) if signature(before) == signature(after) else None, settled

    def _check_kind(self, status: os.stat_result) -> None:
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            self._refuse("is a directory; a regular file is needed.")
        if not stat.S_ISREG(status.st_mode):
            self._refuse("is not a regular file; a regular file is needed.")
        if mode & stat.S_IWOTH:
            self._refuse(f"is writable by others ({mode:04o}); anyone could replace it. chmod go-w.")

    def _cleaned(self, raw: bytes) -> str | bytes:
        if len(raw) > self._limit:
            self._refuse(f"is larger than {self._limit:,} bytes; is this the right file?")
        if self._binary:
            return raw or self._refuse("is empty.")
        raw = raw.removesuffix(b"\n").removesuffix(b"\r")
        if not raw.strip():
            self._refuse("is empty.")
        if raw.startswith(b"\xef\xbb\xbf"):
            self._refuse("starts with a UTF-8 byte order mark. Save it as plain UTF-8.")
        return self._stripped(self._decoded(raw))

    def _decoded(self, raw: bytes) -> str:
        nul = raw.find(b"\0")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            nul = error.start
        if nul >= 0:
            self._refuse(f"is not text (byte {nul}). Declare the setting as bytes, or store it as base64.")
        return text

    def _stripped(self, text: str) -> str:
        bare = text.strip()
        if bare != text:
            before, after = len(text) - len(text.lstrip()), len(text) - len(text.rstrip())
            where = " and ".join([f"{before} before it"] * bool(before) + [f"{after} after it"] * bool(after))
            self._refuse(
                f"has blanks or line breaks around the value ({where}). Write it without, e.g. with printf %s."
            )
        return text

    def _explained(self, error: Exception) -> list[Problem]:
        if isinstance(error, ConfigError):
            return error.problems
        if isinstance(error, SecretMisuse):
            return [Problem(self.name, str(error).removeprefix(f"{self.name}: "))]
        if isinstance(error, FileNotFoundError):
            return [self._problem("does not exist.")]
        if isinstance(error, PermissionError):
            who = f"uid {os.geteuid()}{self._ownership()}"
            return [self._problem(f"cannot be read by {who}. Change its owner or mode.")]
        if isinstance(error, IsADirectoryError):
            return [self._problem("is a directory; a regular file is needed.")]
        reason = getattr(error, "strerror", None) or "its name is not usable"
        return [self._problem(f"cannot be read: {reason}.")]

    def _ownership(self) -> str:
        try:
            status = os.stat(self.path)
        except OSError:
            return ""
        return f" (file is {stat.S_IMODE(status.st_mode):04o}, owner {status.st_uid})"

    def _problem(self, what: str) -> Problem:
        return Problem(self.name, f"{self.path or 'file: without a path'} {what}")

    def _refuse(self, what: str) -> NoReturn:
        raise ConfigError([self._problem(what)])


def _fresh_locks() -> None:
    """Give the child of a fork its own locks: another thread may have held one, and does not exist there."""
    for source in live_sources():
        if isinstance(source, FileSource):
            source.lock = allocate_lock()


os.register_at_fork(after_in_child=_fresh_locks)
