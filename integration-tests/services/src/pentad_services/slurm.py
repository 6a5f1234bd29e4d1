"""Slurm: programs in a given folder, in a container, a working cluster of this machine, or the mock."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pentad_services._finding import asked_for_docker, environment
from pentad_services.errors import StartFailed, Unavailable
from pentad_services.guard import ProcessGuard
from pentad_services.service import Home, Service

__all__ = ["SlurmService", "start_slurm"]

_COMMANDS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol", "sacct")


@dataclass
class SlurmService(Service):
    """Slurm's commands and the environment to run them in."""

    bin_dir: Path = Path()
    """Folder with sbatch, squeue, scancel, sinfo, scontrol, sacct."""
    environ: dict[str, str] = field(default_factory=dict, repr=False)
    """Variables to merge into the environment; PATH begins with `bin_dir`."""
    kind: str = "mock"
    """``"mock"`` or ``"real"``."""
    cluster: Any = field(default=None, repr=False)
    """The `mock_slurm.MockSlurm`, with its faults and its record of calls; None with real Slurm or a container."""
    shared: Path | None = None
    """For a container: the folder that its jobs and this machine both see under this path. None: all folders are."""

    def kill(self) -> None:
        """Kill the mock's controller: no command gets an answer, and the jobs run on.

        Raises RuntimeError if it is not the mock, or in a container.
        """
        self._own_cluster().kill()

    def start_again(self) -> None:
        """Start the controller again; it takes up the jobs that went on."""
        self._own_cluster().start()

    def _own_cluster(self) -> Any:
        if self.cluster is None:
            raise RuntimeError(f"{self.line} was not started here")
        return self.cluster


def start_slurm(
    folder: Path | None = None,
    docker: bool = False,
    *,
    guard: ProcessGuard | None = None,
    config: dict[str, Any] | Path | None = None,
) -> SlurmService:
    """Find Slurm, or start the mock.

    Parameters:
        folder: state folder of the mock; a temporary one by default.
        docker: use the mock in a container (also: PENTAD_TEST_DOCKER=1).
        guard: the guard to start it under; by default one of its own.
        config: the mock's cluster (partitions, nodes); asks for the mock even where real Slurm is.

    Raises Unavailable when there is none to be had, StartFailed when what was named does not work.
    """
    if given := environment("PENTAD_TEST_SLURM"):
        return _given(Path(given))
    if config is None and asked_for_docker(docker):
        from pentad_services import containers

        return containers.start_slurm(guard)
    if config is None and folder is None and (found := shutil.which("sinfo")) and _works(Path(found).parent) is None:
        return _real(Path(found).parent, "system")
    return _mock(folder, guard, config)


def _given(folder: Path) -> SlurmService:
    missing = [name for name in _COMMANDS if not (folder / name).exists()]
    problem = f"it lacks {', '.join(missing)}" if missing else _works(folder)
    if problem:
        raise StartFailed(f"slurm: PENTAD_TEST_SLURM names {folder}, but {problem}")
    return _real(folder, "PENTAD_TEST_SLURM")


def _works(folder: Path) -> str | None:
    """None when the controller answers, else what is wrong."""
    try:
        ping = subprocess.run([folder / "scontrol", "ping"], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"scontrol ping fails: {problem}"
    if ping.returncode == 0 and " UP" in ping.stdout.upper():
        return None
    return f"scontrol ping says: {(ping.stdout + ping.stderr).strip()}"


def _real(folder: Path, origin: str) -> SlurmService:
    printed = subprocess.run(
        [folder / "sinfo", "--version"], capture_output=True, text=True, check=False
    ).stdout.strip()
    environ = {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    if conf := environment("SLURM_CONF"):
        environ["SLURM_CONF"] = conf
    return SlurmService(
        f"slurm: {printed or 'slurm'} ({origin}), {folder}", bin_dir=folder, environ=environ, kind="real"
    )


def _mock(folder: Path | None, guard: ProcessGuard | None, config: dict[str, Any] | Path | None) -> SlurmService:
    try:
        make = import_module("mock_slurm").MockSlurm
    except (ImportError, AttributeError):
        raise Unavailable(
            "slurm: not available here. Tried: PENTAD_TEST_SLURM (not set); container (not asked for); sinfo with a "
            "controller that answers (none); the mock_slurm package (not installed). To get it: install "
            "integration-tests/mock_slurm, or set PENTAD_TEST_SLURM to a folder with Slurm's programs."
        ) from None
    home = Home.of(guard)
    state = folder or home.guard.folder / f"slurm-{secrets.token_hex(4)}"
    cluster = make(state, config, spawn=home.guard.spawn)
    with home.closed_on_failure():
        cluster.start()

    def stop() -> None:
        cluster.stop()
        home.close()

    return SlurmService(
        f"slurm: mock_slurm {version('mock-slurm')} (package), {state}",
        bin_dir=cluster.bin_dir, environ=dict(cluster.environ), kind="mock", cluster=cluster, _stop=stop,
    )  # fmt: skip
