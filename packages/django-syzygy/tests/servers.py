"""Servers that tests start by themselves, on a port that nobody else has."""

import socket
import threading

ATTEMPTS = 5


def start_on_free_port(start, log):
    """Call `start` with a free port, and with another one if somebody takes it first; return the process and the port."""
    for _ in range(ATTEMPTS):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = start(port)
        while process.poll() is None:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return process, port
            threading.Event().wait(0.02)
    raise AssertionError(log.read_text())
