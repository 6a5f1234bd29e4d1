"""The environment that the portal's processes are started with, and the secrets it points to."""

import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pentad_services import PostgresService, RedisService, S3Service, Services, SlurmService

EXAMPLE = Path(__file__).resolve().parents[2]
RUN_MARKER = "PENTAD_DEMO_RUN"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the portal's own processes listen, all on 127.0.0.1."""

    front: int
    catalogue: int
    hub: int
    hub_api: int
    hub_proxy_api: int

    @property
    def public_url(self) -> str:
        """What visitors type."""
        return f"http://127.0.0.1:{self.front}"

    @property
    def hub_url(self) -> str:
        """The notebooks' address.

        Browsers send cookies to every port of a host. Under another host name, the code that people run in
        notebooks never sees the portal's session cookie.
        """
        return f"http://localhost:{self.hub}"

    @property
    def catalogue_url(self) -> str:
        """Where the front door finds the catalogue."""
        return f"http://127.0.0.1:{self.catalogue}"


class SecretFiles:
    """A folder with one file a secret, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, name: str, value: str) -> str:
        """Write a secret; returns the file's path."""
        path = self._folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value)
        return str(path)

    def key(self, name: str) -> str:
        """The path of a file with a random key, made on the first start."""
        path = self._folder / name
        return str(path) if path.exists() else self.keep(name, secrets.token_urlsafe(48))


def portal_environment(state: Path, services: Services, addresses: Addresses, database: str) -> dict[str, str]:
    """The whole environment of the portal's processes.

    Credentials are named by file (`..._FILE`), so that no process shows them in its environment.
    """
    s3 = cast("S3Service", services["s3"])
    redis = cast("RedisService", services["redis"])
    files = SecretFiles(state / "secrets")
    return _inherited(cast("SlurmService", services["slurm"])) | {
        "PORTAL_PUBLIC_URL": addresses.public_url,
        "PORTAL_HUB_URL": addresses.hub_url,
        "PORTAL_CATALOGUE_URL": addresses.catalogue_url,
        "PORTAL_STATE": str(state),
        "PORTAL_REDIS_URL_FILE": files.keep("redis_url", redis.url),
        "PORTAL_DATABASE_URL_FILE": files.keep("database_url", database),
        "PORTAL_SIGNING_KEYS_FILE": files.key("signing_keys"),
        "PORTAL_DJANGO_KEYS_FILE": files.key("django_keys"),
        "PORTAL_S3_ENDPOINT": s3.endpoint,
        "PORTAL_S3_ACCESS_KEY_FILE": files.keep("s3_access_key", s3.access_key),
        "PORTAL_S3_SECRET_KEY_FILE": files.keep("s3_secret_key", s3.secret_key),
        "PORTAL_S3_REGION": s3.region,
        "PORTAL_S3_SECURE": "yes" if s3.secure else "no",
        "PORTAL_COOKIE_HTTPS_ONLY": "no",  # this demo is plain http on loopback; the default is yes
        "DJANGO_SETTINGS_MODULE": "portal.catalogue.settings",
        "PYTHONPATH": str(EXAMPLE),
        "PYTHONUNBUFFERED": "1",
    }


def _inherited(slurm: SlurmService) -> dict[str, str]:
    """This process's environment without another portal's settings, with Slurm's and this Python's programs on PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    given = kept | slurm.environ
    programs = str(Path(sys.executable).parent)
    return given | {"PATH": os.pathsep.join([str(slurm.bin_dir), programs, given.get("PATH", os.defpath)])}


def write_shell_environment(state: Path, environment: dict[str, str]) -> Path:
    """A file for `set -a; . FILE; set +a`, to run manage.py by hand beside the running portal."""
    own = ("PORTAL_", "DJANGO_SETTINGS_MODULE", "PYTHONPATH")
    lines = [f"{name}='{value}'" for name, value in environment.items() if name.startswith(own)]
    path = state / "portal.env"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
