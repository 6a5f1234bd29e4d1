"""Files of this package and their fingerprints."""

import hashlib
from pathlib import Path


def local_path(path: str) -> str:
    """The absolute path of a file of this package."""
    return str(Path(__file__).parent.resolve() / path)


def file_hash(filename: str) -> str:
    """The SHA-256 of a file's content in hexadecimal digits."""
    return hashlib.sha256(Path(filename).read_bytes()).hexdigest()
