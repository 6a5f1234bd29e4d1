"""Environments in which a project's commands run as its user would type them, and the pages that say which."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uv

from pentad_services.guard import GuardedProcess, ProcessGuard

_UV = str(uv.find_uv_bin())
ROOT = Path(__file__).parents[2]
_BLOCK = r"```\{{code-block\}} sh\n:name: {name}\n\n?(?P<commands>.*?)\n```"


class CommandFailedError(AssertionError):
    """A command ended with another status than 0, or did not end in time. The message holds what it printed."""


def build_wheels(folder: Path) -> Path:
    """Build a wheel of every package of the tree as it is now; return the folder that they are in."""
    for package in sorted((ROOT / "packages").iterdir()):
        command = [_UV, "build", "--quiet", "--wheel", str(package), "--out-dir", str(folder)]
        subprocess.run(command, check=True, timeout=300)
    return folder


def commands_of(page: str, name: str) -> str:
    """The shell commands of a documentation page that stand in its code block of this name.

    The block begins with ```` ```{code-block} sh ```` and ``:name: NAME``; `page` is a path below the tree's root.
    """
    found = re.search(_BLOCK.format(name=re.escape(name)), (ROOT / page).read_text(), re.DOTALL)
    if found is None:
        raise LookupError(f"{page} has no code block named {name}")
    return found["commands"]


@dataclass(frozen=True)
class Environment:
    """An environment with pip, as a project has one. `pip install pentad-...` there takes the wheels of this tree."""

    folder: Path
    wheels: Path
    guard: ProcessGuard

    @classmethod
    def make(cls, folder: Path, wheels: Path, guard: ProcessGuard, requirements: tuple[str, ...]) -> Environment:
        """Make it of this Python, with these requirements from the package index."""
        command = [_UV, "venv", "--quiet", "--seed", "--python", sys.executable, str(folder)]
        subprocess.run(command, check=True, timeout=300)
        made = cls(folder, wheels, guard)
        made.run(_UV, "pip", "install", "--quiet", "--python", folder / "bin/python", *requirements)
        return made

    def _environment(self, additional: Mapping[str, str] | None) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DJANGO_"))}
        sources = f"{os.environ.get('PIP_FIND_LINKS', '')} {self.wheels}".strip()
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {
            **inherited,
            "PATH": path,
            "VIRTUAL_ENV": str(self.folder),
            "PIP_FIND_LINKS": sources,
            **(additional or {}),
        }

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        timeout: float = 300,
        status: int = 0,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command of this environment and return what it printed, without its errors.

        `variables` are added to its environment variables. Raises CommandFailedError if it does not end with `status`
        within `timeout` seconds; everything that it started ends, too.
        """
        output, errors = (self.folder / f"last-{stream}.txt" for stream in ("output", "errors"))
        errors.write_text("")
        with output.open("w+b") as printed:
            process = self.guard.spawn(
                self._resolved(command),
                cwd=cwd or self.folder,
                env=self._environment(variables),
                stdout=printed,
                log=errors,
            )
            try:
                ended = process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                ended = None
        if ended == status:
            return output.read_text()
        how = f"took more than {timeout} s" if ended is None else f"ended with {ended} and not {status}"
        said = f"{output.read_text()}\n{errors.read_text()}"
        raise CommandFailedError(f"{' '.join(map(str, command))}\n{how}\n{said}")

    def script(
        self, commands: str, cwd: Path | None = None, timeout: float = 600, variables: Mapping[str, str] | None = None
    ) -> str:
        """Run shell commands, such as those of a page; the first that fails is a CommandFailedError."""
        return self.run("bash", "-euxo", "pipefail", "-c", commands, cwd=cwd, timeout=timeout, variables=variables)

    def start(
        self, *command: str | Path, log: Path, cwd: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> GuardedProcess:
        """Start a program that goes on, such as a server; it ends with the tests if nobody stops it before."""
        environment = self._environment(variables)
        return self.guard.spawn(self._resolved(command), cwd=cwd or self.folder, env=environment, log=log)

    def _resolved(self, command: tuple[str | Path, ...]) -> list[str]:
        own = self.folder / "bin" / command[0]
        return [str(own if own.exists() else command[0]), *map(str, command[1:])]

    def versions(self) -> dict[str, str]:
        """The versions of what is installed, by distribution."""
        lines = self.run("pip", "list", "--format", "freeze").splitlines()
        return dict(line.split("==", 1) for line in lines if "==" in line)
