"""SeaweedFS in one process, with all of its doors but S3's closed to everybody else on this machine.

It consists of a master, a volume server, a filer and the S3 gateway, each with an HTTP and a gRPC port. The
gRPC ports, and the sockets in /tmp that go with them, ask for a certificate that only this process has; the
master and the filer speak no HTTP; the volume server hands out no object without a token.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pentad_services._certificate import write_certificate
from pentad_services._credentials import KeyPair, write_private
from pentad_services._finding import Program, free_port
from pentad_services.guard import GuardedProcess, ProcessGuard

__all__ = ["RunningSeaweed", "spawn_seaweedfs"]

_PARTS = ("master", "volume", "filer", "s3")
_GRPC_OFFSET = 10000
_TOKENS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")


@dataclass(frozen=True)
class RunningSeaweed:
    """The process and where it speaks S3."""

    process: GuardedProcess
    endpoint: str


def spawn_seaweedfs(
    program: Program, data: Path, guard: ProcessGuard, pairs: Iterable[KeyPair], grace: float
) -> RunningSeaweed:
    """Start it; every pair of keys may do everything. It needs a moment until it takes objects."""
    write_private(data / "s3.json", json.dumps({"identities": [_identity(pairs)]}))
    write_certificate(data / "grpc.crt", data / "grpc.key")
    write_private(data / "security.toml", _security(data))  # found there because it is the working directory
    ports = {name: free_port(_GRPC_OFFSET) for name in _PARTS}
    (data / "store").mkdir(exist_ok=True)
    process = guard.spawn(
        [program.path, *_flags(ports, data)], cwd=data, log=data / "seaweedfs.log", grace=grace,
        env={**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
        # It makes these there whatever it is told.
        leavings=[Path(f"/tmp/seaweedfs-{name}-grpc-{port + _GRPC_OFFSET}.sock") for name, port in ports.items()],  # noqa: S108
    )  # fmt: skip
    return RunningSeaweed(process, f"127.0.0.1:{ports['s3']}")


def _identity(pairs: Iterable[KeyPair]) -> dict[str, object]:
    credentials = [dict(zip(("accessKey", "secretKey"), pair.revealed(), strict=True)) for pair in pairs]
    return {"name": "pentad", "credentials": credentials, "actions": ["Admin", "Read", "List", "Tagging", "Write"]}


def _security(data: Path) -> str:
    """Its security.toml: a key for each kind of token, one certificate for every part and every caller."""
    tables = [f'[{name}]\nkey = "{secrets.token_urlsafe(32)}"\n' for name in _TOKENS]
    tables.append(f"[grpc]\nca = {json.dumps(str(data / 'grpc.crt'))}\n")
    shown = f"cert = {json.dumps(str(data / 'grpc.crt'))}\nkey = {json.dumps(str(data / 'grpc.key'))}\n"
    return "".join([*tables, *(f"[grpc.{part}]\n{shown}" for part in (*_PARTS, "client"))])


def _flags(ports: dict[str, int], data: Path) -> list[str]:
    return [
        "-logtostderr=true", "server", f"-dir={data / 'store'}",
        "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-disableHttp", "-master.telemetry=false", "-master.electionTimeout=1s",
        # Each bucket is a collection with volumes of its own: the default of 8 volumes is soon used up.
        "-volume.max=10000", "-master.volumeSizeLimitMB=1024", "-volume.minFreeSpace=1",
        # Nobody else is to hear of the end before it comes.
        "-volume.preStopSeconds=0",
        *(f"-{name}.port={port}" for name, port in ports.items()),
        "-s3", f"-s3.config={data / 's3.json'}", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
        f"-s3.localSocket={data / 's3.sock'}", f"-filer.localSocket={data / 'filer.sock'}",
    ]  # fmt: skip
