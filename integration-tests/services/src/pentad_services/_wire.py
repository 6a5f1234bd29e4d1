"""Messages between a guard's owner and its guard: a length, then JSON, with open files beside it."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_HEADER = struct.Struct("!I")


def send_message(channel: socket.socket, message: dict[str, Any], files: tuple[int, ...] = ()) -> None:
    """Send one message; `files` are descriptors the other side receives copies of."""
    body = json.dumps(message).encode()
    socket.send_fds(channel, [_HEADER.pack(len(body))], list(files))
    channel.sendall(body)


def receive_message(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and its files, or None when the other side is gone."""
    try:
        head, files, _, _ = socket.recv_fds(channel, _HEADER.size, 8)
        head += _exactly(channel, _HEADER.size - len(head)) if head else b""
        if not head:
            return None
        return json.loads(_exactly(channel, _HEADER.unpack(head)[0])), files
    except (ConnectionError, EOFError):
        return None


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = channel.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
