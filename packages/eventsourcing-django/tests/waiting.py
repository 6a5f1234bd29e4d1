"""Waiting for what other threads, processes and servers do, on machines of any speed."""

import time

_INTERVAL = 0.02  # seconds


def wait_until(condition, seconds=60):
    """Return as soon as a condition holds; fail if it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it has not come true within {seconds} s"
        time.sleep(_INTERVAL)
