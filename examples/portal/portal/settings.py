"""What the parts of the portal are told by their environment, as typed classes.

The launcher writes these variables; a real deployment writes them into its unit files. Each part is told only
what it needs. Credentials are given as files (`PORTAL_SIGNING_KEYS_FILE=/run/secrets/...`), so that they
appear in no environment.
"""

from functools import cache
from pathlib import Path
from typing import Final

from pentad_config import KeyRing, Secret, Settings, setting

NEWEST_RELEASE: Final = 2
RELEASE_HEADER: Final = "Portal-Release"  # by which the catalogue tells members which release answered them
SESSION_COOKIE: Final = "portal_session"
SESSION_PREFIX: Final = "portal.session."
SESSION_SECONDS: Final = 8 * 3600


class SharedSettings(Settings, prefix="PORTAL_"):
    """What every part needs: where the others are, sessions and tickets. The notebook hub is told no more."""

    public_url: str = setting(doc="address visitors use for the front door, without a final slash")
    hub_url: str = setting(doc="address visitors use for the notebooks, without a final slash")
    state: str = setting(doc="folder that holds accounts, logs and the release in service")
    redis_url: Secret = setting(doc="redis://... of sessions, one-time tickets and the migration quorum")
    signing_keys: KeyRing = setting(doc="keys of the tickets between parts, newest first, one a line")
    cookie_https_only: bool = setting(default=True, doc="whether cookies carry Secure; off on plain-http loopback")

    @property
    def folder(self) -> Path:
        """The state folder as a path."""
        return Path(self.state)


class SiteSettings(SharedSettings, prefix="PORTAL_"):
    """What a part needs that shows pages: also where static files are, and the catalogue."""

    catalogue_url: str = setting(doc="address at which the front door reaches the catalogue")
    s3_endpoint: str = setting(doc="host:port of the S3 server")
    s3_secure: bool = setting(default=True, doc="whether the S3 server is reached over https")
    bucket_prefix: str = setting(default="portal", doc="what the three buckets' names begin with")

    @property
    def s3_url(self) -> str:
        """Root address of the S3 server."""
        return f"{'https' if self.s3_secure else 'http'}://{self.s3_endpoint}"

    @property
    def static_bucket(self) -> str:
        """Bucket of the style sheet and the icon."""
        return f"{self.bucket_prefix}-static"

    @property
    def static_url(self) -> str:
        """Where the browser finds static files, with a final slash."""
        return f"{self.s3_url}/{self.static_bucket}/"


class FrontDoorSettings(SiteSettings, prefix="PORTAL_"):
    """What the front door needs: also the keys of the sessions, which no other part can read.

    Keys of ciphers are given as a Secret, of which the cipher makes its ring: it knows what a key has to be, and goes
    on with those there were where the file gets one that is none.
    """

    session_keys: Secret = setting(doc="AES keys of the sessions in Redis, newest first, one a line")
    plain_sessions: bool = setting(
        default=False, doc="whether sessions from before their encryption still open; off again when those have ended"
    )


class CatalogueSettings(SiteSettings, prefix="PORTAL_"):
    """What the catalogue and its follower need: also the database and the S3 server's keys."""

    database_url: Secret = setting(doc="postgresql://... of events and the search projection")
    event_keys: Secret = setting(
        doc="AES keys of the events, newest first, one a line; an event needs its key for ever"
    )
    django_keys: KeyRing = setting(doc="Django's SECRET_KEY and its fallbacks, newest first, one a line")
    s3_access_key: Secret = setting(doc="access key of the S3 server")
    s3_secret_key: Secret = setting(doc="secret key of the S3 server")
    s3_region: str = setting(default="us-east-1", doc="region of the buckets")
    release: int = setting(default=0, doc="release to run; 0 reads the state folder's `release` file")

    @property
    def running_release(self) -> int:
        """The release this process runs: the variable, else the file, else the newest."""
        return self.release or release_in_service(self.folder)

    @property
    def private_bucket(self) -> str:
        """Bucket of the data files; only signed links open it."""
        return f"{self.bucket_prefix}-private"

    @property
    def preview_bucket(self) -> str:
        """Bucket of the previews of approved data sets; anyone may read an object, nobody may list it."""
        return f"{self.bucket_prefix}-previews"


@cache
def shared_settings() -> SharedSettings:
    """What this process's environment says to every part."""
    return SharedSettings.load()


@cache
def front_door_settings() -> FrontDoorSettings:
    """What this process's environment says to the front door."""
    return FrontDoorSettings.load()


@cache
def catalogue_settings() -> CatalogueSettings:
    """What this process's environment says to the catalogue."""
    return CatalogueSettings.load()


def release_in_service(folder: Path) -> int:
    """The release that the state folder says is in service; the newest when it says nothing."""
    try:
        return int((folder / "release").read_text(encoding="ascii"))
    except FileNotFoundError:
        return NEWEST_RELEASE


def put_in_service(folder: Path, release: int) -> None:
    """Record which release the catalogue and its follower are to run when they next start."""
    fresh = folder / "release.new"
    fresh.write_text(f"{release}\n", encoding="ascii")
    fresh.replace(folder / "release")
