"""What the follower's process tells the others, in files of the state folder."""

from pathlib import Path

from portal.settings import catalogue_settings


def health_file() -> Path:
    """Where `run_followers` says how it is; the launcher takes it for the sign that it runs."""
    return catalogue_settings().folder / "follower.json"


def release_file() -> Path:
    """Which release the follower runs."""
    return catalogue_settings().folder / "follower.release"
