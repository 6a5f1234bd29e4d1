"""Changing the keys in a file of the portal's secrets while its parts run."""

import subprocess
import sys
from pathlib import Path
from typing import Final

KINDS: Final = {"signing_keys": "text", "django_keys": "text", "session_keys": "aes256", "event_keys": "aes256"}


def put_new_key_on_top(secrets: Path, name: str) -> str:
    """Have `pentad-config ring` make a key and move it to the front of its file; returns the key.

    All parts read the same file of the same machine, so none meets a key that it cannot find there. Between machines
    a deployment lies between the two commands.
    """
    path = secrets / name
    for command in (["add", str(path), "--for", KINDS[name]], ["promote", str(path)]):
        subprocess.run([sys.executable, "-m", "pentad_config", "ring", *command], check=True, capture_output=True)
    return path.read_text(encoding="utf-8").split()[0]
