"""Waiting for what other threads, processes and servers do, on machines of any speed."""

import time

PATIENCE = 180
"""Seconds: what has not happened by then never will, however busy the machine is."""

_INTERVAL = 0.02  # seconds


def wait_until(condition, seconds=PATIENCE):
    """Return as soon as a condition holds; fail if it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it has not come true within {seconds} s"
        time.sleep(_INTERVAL)
