"""Runs the mock Slurm in a container: ``entry.py serve``; ``entry.py healthy`` exits 0 while its controller answers.

The controller listens on the loopback address alone, where a published port does not arrive, so connections
to port 6817 are passed on to it. Callers prove themselves with the token in MOCK_SLURM_TOKEN; without one in
the environment nobody outside the container can know it, so it must be set.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

STATE = Path("/tmp/mock-slurm")  # noqa: S108 - the container has one user and one purpose
OUTER, INNER = 6817, 6818


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until the sender has finished."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Connect one caller with the controller."""
    try:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", INNER)
    except OSError:
        writer.close()
        return
    await asyncio.gather(carry(reader, inner_writer), carry(inner_reader, writer))
    inner_writer.close()
    writer.close()


def keep_token(token: str) -> None:
    """Put the token where the controller looks for it."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    (STATE / "token").touch(mode=0o600)
    (STATE / "token").write_text(token)


async def serve() -> int:
    """Run the controller and the relay until SIGTERM; returns the controller's exit code."""
    token = os.environ.pop("MOCK_SLURM_TOKEN", "")
    if not token:
        sys.stderr.write("mock-slurm: set MOCK_SLURM_TOKEN to the token that callers give\n")
        return 2
    keep_token(token)
    command = [sys.executable, "-m", "mock_slurm", "serve", "--state", str(STATE), "--port", str(INNER), "--end-jobs"]
    controller = await asyncio.create_subprocess_exec(*command, cwd="/opt/pentad")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, controller.terminate)
    server = await asyncio.start_server(relay, "0.0.0.0", OUTER)  # noqa: S104 - inside the container
    async with server:
        return await controller.wait()


def healthy() -> int:
    """0 while the controller answers on its socket."""
    environment = {**os.environ, "MOCK_SLURM_ADDRESS": str(STATE / "socket")}
    return subprocess.run(
        [STATE / "bin" / "squeue", "-h"], env=environment, stdout=subprocess.DEVNULL, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(healthy() if sys.argv[1:] == ["healthy"] else asyncio.run(serve()))
