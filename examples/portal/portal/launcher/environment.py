"""The environment that the portal's processes are started with, and the secrets it points to."""

import os
import secrets
import shlex
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pentad_config import Secret
from pentad_services import RedisService, S3Service, SlurmService
from portal.launcher.plain_sessions import may_hold_plain_sessions
from portal.private_files import write_private

EXAMPLE: Final = Path(__file__).resolve().parents[2]
RUN_MARKER: Final = "PENTAD_DEMO_RUN"

Environment = dict[str, str]


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

    def keep(self, name: str, value: Secret) -> str:
        """Write a secret; returns the file's path."""
        path = self._folder / name
        write_private(path, value.text())
        return str(path)

    def key(self, name: str) -> str:
        """The path of a file with a random key for signatures, made on the first start."""
        return self._made(name, lambda: secrets.token_urlsafe(48))

    def aes_key(self, name: str) -> str:
        """The path of a file with a random AES-256 key, made on the first start."""
        return self._made(name, lambda: b64encode(secrets.token_bytes(32)).decode())

    def _made(self, name: str, make: Callable[[], str]) -> str:
        path = self._folder / name
        return str(path) if path.exists() else self.keep(name, Secret(make(), name=name))


class Environments:
    """The environments of the portal's parts: each holds what its part needs and nothing else.

    Credentials are named by file (`..._FILE`), so that no process shows them in its environment.
    """

    def __init__(self, state: Path, addresses: Addresses, bucket_prefix: str) -> None:
        self._state = state
        self._bucket_prefix = bucket_prefix
        self._addresses = addresses
        self._files = SecretFiles(state / "secrets")
        self._plain_sessions = may_hold_plain_sessions(state)
        self._session_keys = self._files.aes_key("session_keys")

    def of_hub(self, redis: RedisService, slurm: SlurmService) -> Environment:
        """The notebook hub's: Slurm's programs, sessions and tickets; no database, no S3 keys."""
        return self._shared(redis, slurm) | {
            "NOTEBOOK_HUB_PORT": str(self._addresses.hub),
            "NOTEBOOK_HUB_API_PORT": str(self._addresses.hub_api),
            "NOTEBOOK_HUB_PROXY_API_PORT": str(self._addresses.hub_proxy_api),
        }

    def of_front_door(self, redis: RedisService, slurm: SlurmService, s3: S3Service) -> Environment:
        """The front door's: also the keys of the sessions."""
        return self._site(redis, slurm, s3) | {
            "PORTAL_SESSION_KEYS_FILE": self._session_keys,
            "PORTAL_PLAIN_SESSIONS": "yes" if self._plain_sessions else "no",
        }

    def _site(self, redis: RedisService, slurm: SlurmService, s3: S3Service) -> Environment:
        """What front door and catalogue are both told: where the catalogue and the static files are."""
        return self._shared(redis, slurm) | {
            "PORTAL_CATALOGUE_URL": self._addresses.catalogue_url,
            "PORTAL_S3_ENDPOINT": s3.endpoint,
            "PORTAL_S3_SECURE": "yes" if s3.secure else "no",
            "PORTAL_BUCKET_PREFIX": self._bucket_prefix,
        }

    def of_catalogue(self, redis: RedisService, slurm: SlurmService, s3: S3Service, database: Secret) -> Environment:
        """The catalogue's: also the database, the keys of the events and the S3 server's."""
        return self._site(redis, slurm, s3) | {
            "PORTAL_DATABASE_URL_FILE": self._files.keep("database_url", database),
            "PORTAL_EVENT_KEYS_FILE": self._files.aes_key("event_keys"),
            "PORTAL_DJANGO_KEYS_FILE": self._files.key("django_keys"),
            "PORTAL_S3_ACCESS_KEY_FILE": self._files.keep("s3_access_key", s3.keys.access),
            "PORTAL_S3_SECRET_KEY_FILE": self._files.keep("s3_secret_key", s3.keys.secret),
            "PORTAL_S3_REGION": s3.region,
            "DJANGO_SETTINGS_MODULE": "portal.catalogue.settings",
        }

    def _shared(self, redis: RedisService, slurm: SlurmService) -> Environment:
        return _inherited(slurm) | {
            "PORTAL_PUBLIC_URL": self._addresses.public_url,
            "PORTAL_HUB_URL": self._addresses.hub_url,
            "PORTAL_STATE": str(self._state),
            "PORTAL_REDIS_URL_FILE": self._files.keep("redis_url", redis.address),
            "PORTAL_SIGNING_KEYS_FILE": self._files.key("signing_keys"),
            "PORTAL_COOKIE_HTTPS_ONLY": "no",  # this demo is plain http on loopback; the default is yes
            "PYTHONPATH": os.pathsep.join([str(EXAMPLE), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "PYTHONUNBUFFERED": "1",
        }


def _inherited(slurm: SlurmService) -> Environment:
    """This process's environment without another portal's settings; Slurm's and this Python's programs on PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    given = kept | slurm.environ
    programs = str(Path(sys.executable).parent)
    return given | {"PATH": os.pathsep.join([str(slurm.bin_dir), programs, given.get("PATH", os.defpath)])}


def write_shell_environment(state: Path, environment: Environment) -> Path:
    """A file for `set -a; . FILE; set +a`, to run manage.py by hand beside the running portal."""
    own = ("PORTAL_", "DJANGO_SETTINGS_MODULE", "PYTHONPATH")
    lines = [f"{name}={shlex.quote(value)}" for name, value in environment.items() if name.startswith(own)]
    path = state / "portal.env"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
