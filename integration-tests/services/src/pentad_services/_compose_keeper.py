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
        up = subprocess.run([*compose, "up", "--wait", "--quiet-pull", service], check=False)
        if up.returncode:
            sys.exit(up.returncode)  # the container's own words follow from `logs`
        print("ready", flush=True)
        while True:
            signal.pause()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        log = subprocess.run(
            [*compose, "logs", "--tail", "40", "--no-color", service], capture_output=True, check=False
        )
        subprocess.run([*compose, "down", "--volumes", "--timeout", "1"], check=False)
        # Last, so that the end of this program's log is what the container said.
        sys.stderr.buffer.write(log.stdout + log.stderr)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
