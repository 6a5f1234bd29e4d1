"""The few Redis commands that starting and emptying a server needs, without a client library."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import SplitResult, unquote, urlsplit

from pentad_services.errors import StartFailed

__all__ = ["ask"]


def ask(url: str, *commands: tuple[str, ...], timeout: float = 60.0) -> list[str]:
    """Send commands to the server at `url` and return its replies, one text each.

    Raises OSError when nobody answers, StartFailed when the server answers with an error.
    """
    address = urlsplit(url)
    with _connect(address, timeout) as connection, connection.makefile("rb") as replies:
        told = []
        for command in [*_login(address), *commands]:
            parts = [part.encode() for part in command]
            connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            told.append(_reply(replies.readline(), replies, command[0]))
        return told[-len(commands) :]


def _connect(address: SplitResult, timeout: float) -> socket.socket:
    plain = socket.create_connection((address.hostname or "127.0.0.1", address.port or 6379), timeout)
    if address.scheme != "rediss":
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=address.hostname)


def _login(address: SplitResult) -> list[tuple[str, ...]]:
    login: list[tuple[str, ...]] = []
    if address.password:
        user = (unquote(address.username),) if address.username else ()
        login.append(("AUTH", *user, unquote(address.password)))
    if address.path.strip("/"):
        login.append(("SELECT", address.path.strip("/")))
    return login


def _reply(line: bytes, replies: object, command: str) -> str:
    if not line:
        raise ConnectionError("the server closed the connection")
    if line.startswith(b"-"):
        raise StartFailed(f"the Redis server refused {command}: {line[1:].decode(errors='replace').strip()}")
    if line.startswith(b"$") and int(line[1:]) >= 0:
        body: bytes = replies.read(int(line[1:]) + 2)  # type: ignore[attr-defined]
        return body[:-2].decode(errors="replace")
    return line[1:].decode(errors="replace").strip()
