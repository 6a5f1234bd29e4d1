"""Ceph's S3 gateway with the smallest cluster that it works on: a monitor, and one store in memory.

Every part asks for a key (cephx), so that no other process of this machine gets at the objects. The daemons need no
root.
"""

from __future__ import annotations

import base64
import json
import secrets
import struct
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from pentad_services._credentials import KeyPair, write_private
from pentad_services._finding import Program, free_port
from pentad_services.errors import StartFailed
from pentad_services.guard import GuardedProcess, ProcessGuard

__all__ = ["NEEDED", "RunningGateway", "spawn_radosgw"]

NEEDED = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool")
"""The programs that it takes: Debian has them in radosgw, ceph-mon, ceph-osd and ceph-common."""

_WHO_MAY = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "client.gateway": {"mon": "allow rw", "osd": "allow rwx"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
}
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{monitor}]
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
ms_bind_ipv6 = false
keyring = {folder}/keyring
run_dir = {folder}
admin_socket =
log_file =
log_to_stderr = true
crash_dir = {folder}
mon_data = {folder}/mon
osd_data = {folder}/osd
# One store: nothing is copied, spread or moved.
mon_allow_pool_size_one = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 4294967296
rgw_frontends = beast endpoint=127.0.0.1:{gateway}
"""


@dataclass(frozen=True)
class RunningGateway:
    """The gateway, the cluster below it, where it speaks S3, and two pairs of keys that may do everything."""

    process: GuardedProcess
    cluster: tuple[GuardedProcess, ...]
    endpoint: str
    pairs: tuple[KeyPair, KeyPair]

    def stop(self) -> None:
        """End all of it at once: the data is in memory."""
        for process in (self.process, *self.cluster):
            process.stop(grace=0)


def spawn_radosgw(program: Program, folder: Path, guard: ProcessGuard) -> RunningGateway:
    """Start all of it; after some ten seconds the gateway needs a few more until it takes objects."""
    cluster = _Cluster(program, folder, guard)
    gateway, monitor = free_port(), free_port()
    fsid = str(uuid.uuid4())
    settings = _CONFIGURATION.format(fsid=fsid, folder=folder, monitor=monitor, gateway=gateway)
    write_private(folder / "ceph.conf", settings)
    write_private(folder / "keyring", _keyring())
    (folder / "osd").mkdir()
    below = (cluster.monitor(fsid, monitor), cluster.store())
    process = cluster.daemon("radosgw", "-n", "client.gateway")
    return RunningGateway(process, below, f"127.0.0.1:{gateway}", cluster.create_user())


@dataclass(frozen=True)
class _Cluster:
    program: Program
    folder: Path
    guard: ProcessGuard

    def run(self, *argv: str) -> str:
        command = [*argv, "-c", "ceph.conf"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            what = " ".join(argv)
            raise StartFailed(f"{self.program}: {what} ended with code {done.returncode}:\n{done.stderr[-1500:]}")
        return done.stdout

    def daemon(self, name: str, *options: str) -> GuardedProcess:
        command = [name, "-f", "-c", "ceph.conf", *options]
        return self.guard.spawn(command, cwd=self.folder, log=self.folder / f"{name}.log", grace=0)

    def monitor(self, fsid: str, port: int) -> GuardedProcess:
        self.run("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{port}]", "--fsid", fsid, "monmap")
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")
        return self.daemon("ceph-mon", "-i", "a")

    def store(self) -> GuardedProcess:
        identity = str(uuid.uuid4())
        self.run("ceph", "--connect-timeout", "60", "osd", "new", identity)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        return self.daemon("ceph-osd", "-i", "0")

    def create_user(self) -> tuple[KeyPair, KeyPair]:
        """Return two pairs of a new user. Ceph makes them: on a command line everybody could read them."""
        who = ("--uid", "tests", "-n", "client.admin")
        self.run("radosgw-admin", "user", "create", "--display-name", "tests", *who)
        told = self.run("radosgw-admin", "key", "create", "--gen-access-key", "--gen-secret", *who)
        first, second = (KeyPair.of(key["access_key"], key["secret_key"]) for key in json.loads(told)["keys"])
        return first, second


def _keyring() -> str:
    entries = []
    for name, may in _WHO_MAY.items():
        capabilities = "".join(f'\tcaps {where} = "{what}"\n' for where, what in may.items())
        entries.append(f"[{name}]\n\tkey = {_cephx_key()}\n{capabilities}")
    return "".join(entries)


def _cephx_key() -> str:
    """Return a fresh key in Ceph's form: kind (AES), time of creation, length, key."""
    return base64.b64encode(struct.pack("<hiih", 1, int(time.time()), 0, 16) + secrets.token_bytes(16)).decode()
