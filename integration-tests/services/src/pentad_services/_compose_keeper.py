"""Brings containers up, says so, and takes them down on SIGTERM, also while they are coming up.

Run as a program under a guard: ``_compose_keeper.py SERVICE COMPOSE-COMMAND...``
"""

from __future__ import annotations

import signal
import subprocess
import sys


def main(service: str, compose: list[str]) -> None:
    """Start one service of a compose file and keep it until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        subprocess.run([*compose, "up", "--wait", "--quiet-pull", service], check=True)
        print("ready", flush=True)  # noqa: T201 - the owner reads it
        while True:
            signal.pause()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.run([*compose, "logs", "--no-color", service], check=False)
        subprocess.run([*compose, "down", "--volumes", "--timeout", "1"], check=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
