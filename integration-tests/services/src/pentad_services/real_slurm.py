"""A real Slurm on this machine, from the system's packages, for as long as a command runs.

``python -m pentad_services.real_slurm run COMMAND...`` starts munged, slurmctld and one slurmd for each node of the
mock's default cluster, waits until every node is idle, and runs the command with SLURM_CONF set. Needs
root and the packages slurm-wlm and munge; services of the system with the same names are neither used nor touched.

Where slurmrestd and slurm-wlm-jwt-plugin are installed too, slurmrestd runs beside it: its address is in
PENTAD_TEST_SLURM_REST_URL, and the path of the key that its tokens are signed with in PENTAD_TEST_SLURM_JWT_KEY.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mock_slurm import load_config
from mock_slurm.config import ClusterConfig
from pentad_services._finding import PortTakenError, free_port, on_free_ports, wait_for
from pentad_services._private_machine import add_hosts, add_users, leave_the_shared_machine, under_host_name
from pentad_services._real_slurm_config import Site, write_configuration
from pentad_services.errors import StartFailed, Unavailable
from pentad_services.guard import GuardedProcess, ProcessGuard

__all__ = ["main"]

_HOST = "pentad-slurm"
_PROGRAMS = {
    "munge": ("munged",),
    "slurm-wlm": ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "scontrol", "sacct"),
}
_REST = "slurmrestd"
_PLUGINS = ("*/slurm-wlm", "*/slurm")  # below /usr/lib
_FOREIGN = ("SLURM", "SBATCH_", "SQUEUE_", "SCANCEL_", "SINFO_", "SCONTROL_", "SACCT_")
_SBIN = "/usr/sbin:/sbin"  # where daemons are, which is not on everybody's PATH
_PATIENCE = 120.0  # seconds until the nodes are idle; a quiet machine needs one


@dataclass(frozen=True)
class _Programs:
    munged: str
    slurmctld: str
    slurmd: str
    slurmrestd: str | None
    """None where it, or the plugin for the tokens of those who ask it, is not installed."""


def _find_programs() -> _Programs:
    """Where the daemons are. Raises Unavailable with what to install, or who to be."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"
    missing = [
        f"{package} (no {', '.join(absent)})"
        for package, programs in _PROGRAMS.items()
        if (absent := [name for name in programs if shutil.which(name, path=path) is None])
    ]
    if missing:
        raise Unavailable(
            f"real slurm: not installed: {'; '.join(missing)}. "
            "To get it: apt-get install --no-install-recommends slurm-wlm munge"
        )
    if os.geteuid() != 0:
        raise Unavailable("real slurm: jobs of several users need root. To get it: run this as root")
    munged, slurmctld, slurmd = (str(shutil.which(name, path=path)) for name in ("munged", "slurmctld", "slurmd"))
    return _Programs(munged, slurmctld, slurmd, shutil.which(_REST, path=path) if _plugins("auth_jwt") else None)


def _plugins(pattern: str) -> list[str]:
    """The names of Slurm's plugins of a kind that are installed."""
    found = (path.stem for folder in _PLUGINS for path in Path("/usr/lib").glob(f"{folder}/{pattern}.so"))
    return sorted(name.partition("_")[2].replace("_", ".") for name in found)


def _start_munged(guard: ProcessGuard, program: str) -> Path:
    """Start munged with a key of its own; returns its socket."""
    home = guard.folder / "munge"
    home.mkdir(mode=0o755)
    key = home / "key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    argv: list[str | Path] = [
        program, "--foreground", f"--key-file={key}", f"--socket={home / 'socket'}", f"--seed-file={home / 'seed'}",
        f"--pid-file={home / 'pid'}",
    ]  # fmt: skip
    process = guard.spawn(argv, log=guard.folder / "munged.log", cwd=home)
    wait_for((home / "socket").is_socket, process, "munged", timeout=_PATIENCE)
    return home / "socket"


def _start_slurm(guard: ProcessGuard, programs: _Programs, cluster: ClusterConfig, munge_socket: Path) -> Path:
    """Start the controller and the nodes, wait until all are idle; returns slurm.conf's path."""
    folder = guard.folder / f"slurm-{secrets.token_hex(4)}"
    (folder / "slurmctld").mkdir(mode=0o755, parents=True)
    ports = _free_ports(len(cluster.nodes) + 1)
    key = _token_key(folder / "jwt.key") if programs.slurmrestd else None
    site = Site(folder, _HOST, munge_socket, ports.pop(), dict(zip(cluster.nodes, ports, strict=True)), key)
    conf = write_configuration(cluster, site)
    daemons = [guard.spawn([programs.slurmctld, "-D", "-f", conf], log=folder / "slurmctld.log", cwd=folder)]
    for name in cluster.nodes:
        argv = under_host_name(name, [programs.slurmd, "-D", "-N", name, "-f", conf])
        daemons.append(guard.spawn(argv, log=folder / f"slurmd.{name}.log", cwd=folder))
    try:
        wait_for(lambda: _all_idle(conf, daemons), daemons[0], "slurmctld", timeout=_PATIENCE)
    except StartFailed as problem:
        for daemon in daemons:
            daemon.kill()
        if any("Address already in use" in daemon.tail(200) for daemon in daemons):
            raise PortTakenError from problem
        raise
    return conf


def _token_key(path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(secrets.token_bytes(32))
    return path


def _start_rest(guard: ProcessGuard, program: str, conf: Path) -> dict[str, str]:
    """Start slurmrestd; the variables with which a command finds it."""
    address = f"127.0.0.1:{free_port()}"
    # without the choice of plugins it wants a database
    plugins = ",".join(f"openapi/{name}" for name in _plugins("openapi_*") if "db" not in name)
    # it refuses to run as root or as Slurm's user, and takes tokens only if this variable is set
    process = guard.spawn(
        [program, "-a", "rest_auth/jwt", "-s", plugins, address],
        env={**_environment(conf), "SLURM_JWT": "daemon"},
        cwd=conf.parent,
        log=conf.with_name("slurmrestd.log"),
        user=_REST,
        group=_REST,
    )
    wait_for(lambda: _listens(address), process, _REST, timeout=_PATIENCE)
    return {
        "PENTAD_TEST_SLURM_REST_URL": f"http://{address}",
        "PENTAD_TEST_SLURM_JWT_KEY": str(conf.with_name("jwt.key")),
    }


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_PATIENCE):
            return True
    except ConnectionRefusedError:
        return False


def _free_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def _all_idle(conf: Path, daemons: list[GuardedProcess]) -> bool:
    for daemon in daemons:
        if daemon.poll() is not None:
            raise StartFailed(f"{' '.join(daemon.args)} ended with code {daemon.poll()}:\n{daemon.tail()}")
    asked = subprocess.run(
        ["sinfo", "-a", "-h", "-o", "%T"], env=_environment(conf), capture_output=True, text=True, check=False
    )
    return asked.returncode == 0 and set(asked.stdout.split()) == {"idle"}


def _environment(conf: Path) -> dict[str, str]:
    """This process's environment without variables that steer Slurm's commands, and with this cluster."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) or name.startswith("SLURM_CONTRACT_")
    }
    return {**kept, "SLURM_CONF": str(conf), "SLURM_CONTRACT_REAL": "1"}


def _run(command: list[str]) -> int:
    programs = _find_programs()
    cluster = load_config()
    leave_the_shared_machine()
    # As an exception, SIGTERM ends the command too, not only this process and its guard.
    signal.signal(signal.SIGTERM, _leave)
    with ProcessGuard() as guard:
        guard.folder.chmod(0o755)  # other users read slurm.conf there, and reach munged's socket
        add_hosts([_HOST, *cluster.nodes], guard.folder)
        people = {name: user.groups for name, user in cluster.users.items() if user.groups}
        add_users({**people, _REST: ()}, guard.folder)
        munge_socket = _start_munged(guard, programs.munged)
        conf = on_free_ports("real slurm", lambda: _start_slurm(guard, programs, cluster, munge_socket))
        rest = _start_rest(guard, programs.slurmrestd, conf) if programs.slurmrestd else {}
        return subprocess.run(command, env={**_environment(conf), **rest}, check=False).returncode


def _leave(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the command's exit code, or 1 when there is no Slurm to be had."""
    parser = argparse.ArgumentParser(
        "python -m pentad_services.real_slurm", description="A real Slurm, for as long as a command runs."
    )
    run = parser.add_subparsers(dest="command", required=True).add_parser("run", help="run a command beside it")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args(arguments)
    try:
        return _run(options.argv or run.error("run needs a command"))
    except (Unavailable, StartFailed) as problem:
        parser.exit(1, f"{problem}\n")


if __name__ == "__main__":
    sys.exit(main())
