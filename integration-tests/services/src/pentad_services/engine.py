"""A Docker engine of one's own: its socket, data and process id in one folder, gone with its guard."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pentad_services._finding import wait_for
from pentad_services.errors import Unavailable
from pentad_services.guard import ProcessGuard
from pentad_services.service import Service

__all__ = ["EngineService", "start_engine"]


@dataclass
class EngineService(Service):
    """A running engine; `host` is the value for DOCKER_HOST."""

    host: str = ""


def start_engine(guard: ProcessGuard, folder: Path | None = None) -> EngineService:
    """Start dockerd below `folder` (the guard's by default), which must not be on an overlay file system.

    It changes no firewall rule and makes no default bridge, so it can run beside another engine;
    published ports are bound to 127.0.0.1 unless an address is named. Needs root.
    """
    program = shutil.which("dockerd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if program is None:
        raise Unavailable("docker engine: dockerd is not installed. To get it: apt install docker.io")
    if os.geteuid() != 0:
        raise Unavailable("docker engine: dockerd needs root; use an engine that runs already (DOCKER_HOST)")
    home = folder or guard.folder / "engine"
    home.mkdir(parents=True, exist_ok=True)
    host = f"unix://{home}/docker.sock"
    argv: list[str | os.PathLike[str]] = [
        program, "--host", host, "--data-root", home / "data", "--exec-root", home / "exec",
        "--pidfile", home / "docker.pid", "--ip", "127.0.0.1", "--bridge", "none",
        "--iptables=false", "--ip6tables=false",
    ]  # fmt: skip
    process = guard.spawn(argv, log=home / "dockerd.log", cwd=home, grace=30)
    wait_for(lambda: _answers(host), process, "dockerd", timeout=60)
    return EngineService(f"docker engine: {host}", host=host, _stop=lambda: process.stop(grace=30))


def _answers(host: str) -> bool:
    return subprocess.run(["docker", "--host", host, "version"], capture_output=True, check=False).returncode == 0
