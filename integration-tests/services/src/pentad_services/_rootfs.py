"""A root file system as a tar stream, made of programs of this machine and the libraries they need."""

from __future__ import annotations

import functools
import io
import os
import re
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

_LISTED = re.compile(r"(?:=> )?(/\S+) \(0x")
_FOLDERS = ("bin", "etc", "opt", "proc", "root", "run", "sys", "usr/bin", "usr/local/bin", "var/lib", "dev")


class RootFs:
    """Writes into `stream`; close() ends the archive. Everything belongs to root."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=stream, mode="w|")  # noqa: SIM115 - close() ends it
        self._done: set[str] = set()
        for folder in _FOLDERS:
            self.folder(folder)
        self.folder("tmp", 0o1777)

    def close(self) -> None:
        """Finish the archive."""
        self._tar.close()

    def folder(self, target: str, mode: int = 0o755) -> None:
        """An empty folder, with the folders above it."""
        for part in [*reversed(PurePosixPath(target).parents)][1:]:
            self.folder(str(part))
        self._entry(target, tarfile.DIRTYPE, mode)

    def text(self, target: str, content: str, mode: int = 0o644) -> None:
        """A file with this text."""
        self._content(target, content.encode(), mode)

    def link(self, target: str, to: str) -> None:
        """A symbolic link."""
        self._entry(target, tarfile.SYMTYPE, 0o777, to)

    def file(self, source: Path, target: str, *, beside: tuple[Path, ...] = ()) -> None:
        """A copy of a file, its permissions kept, with the libraries that it needs at their own paths.

        Libraries in the folders `beside` are left out: they are copied by themselves and found by a relative path.
        """
        if str(PurePosixPath(target)) in self._done:
            return
        self.folder(str(PurePosixPath(target).parent))
        self._content(target, source.read_bytes(), 0o755 if os.access(source, os.X_OK) else 0o644)
        for library in _libraries(source):
            if not any(library.resolve().is_relative_to(folder) for folder in beside):
                self.file(library, str(library).lstrip("/"))

    def tree(
        self, source: Path, target: str, *, leave_out: frozenset[str] = frozenset(), beside: tuple[Path, ...] = ()
    ) -> None:
        """A copy of a folder with all below it, but what is named in `leave_out`."""
        for folder, names, files in os.walk(source):
            names[:] = [name for name in names if name not in leave_out]
            place = PurePosixPath(target) / Path(folder).relative_to(source).as_posix()
            for name in files:
                if name not in leave_out:
                    self.file(Path(folder, name), str(place / name), beside=(source.resolve(), *beside))

    def busybox(self, program: Path) -> None:
        """A shell and the small programs that scripts need, all in one."""
        self.file(program, "bin/busybox")
        for name in subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split():
            self.link(f"bin/{name}", "busybox")

    def _content(self, target: str, data: bytes, mode: int) -> None:
        entry = self._header(target, tarfile.REGTYPE, mode)
        if entry:
            entry.size = len(data)
            self._tar.addfile(entry, io.BytesIO(data))

    def _entry(self, target: str, kind: bytes, mode: int, to: str = "") -> None:
        entry = self._header(target, kind, mode)
        if entry:
            entry.linkname = to
            self._tar.addfile(entry)

    def _header(self, target: str, kind: bytes, mode: int) -> tarfile.TarInfo | None:
        name = str(PurePosixPath(target))
        if name in self._done or name == ".":
            return None
        self._done.add(name)
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = kind, mode
        return entry


@functools.cache
def _libraries(program: Path) -> list[Path]:
    """What the dynamic linker loads for a program or library, found with ldd; nothing for other files."""
    with program.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return [Path(found) for found in _LISTED.findall(listed.stdout)]
