"""Files that only their owner may read: accounts and secrets."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all: whoever is killed while writing leaves the old one, or none."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)  # an older one may be open to others
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
