"""The controller's doors: a unix socket, a TCP port if wanted, and everything that happens to a call on its way in."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

from .calls import Call, Reply
from .commands import COMMANDS
from .commands.sbatch import script_source
from .controller import Controller
from .faults import Fault, FaultBoard
from .identity import identify
from .rest import REST, Answer, RestFace, failure, read_request
from .rest_tokens import key_in

__all__ = ["Service"]

Accept: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Service:
    """Accepts commands for one controller. `state` holds the socket, the token and the log of calls."""

    def __init__(self, controller: Controller, state: Path) -> None:
        self._controller = controller
        self._state = state
        self._faults = FaultBoard()
        self._log = (state / "calls.jsonl").open("a", encoding="utf-8", buffering=1)
        self._token = _token(state / "token")
        self._servers: list[asyncio.Server] = []
        self._busy: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()
        self.end_jobs = False

    async def open(self, port: int | None, *, socket_mode: int = 0o600) -> str | None:
        """Listen for commands; the TCP address if a port was asked for (0 = any free one)."""
        path = self._state / "socket"
        path.unlink(missing_ok=True)
        folder = os.open(self._state, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # A unix socket's address holds 108 bytes; by way of the folder's descriptor any folder will do.
            server = await asyncio.start_unix_server(self._accept, f"/proc/self/fd/{folder}/socket")
        finally:
            os.close(folder)
        self._servers.append(server)
        path.chmod(socket_mode)
        return None if port is None else await self._listen(self._accept, port)

    async def open_rest(self, port: int) -> str:
        """Listen as slurmrestd (0 = any free port); the TCP address."""
        face = RestFace(self._controller, key_in(self._state / "jwt_key"))

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._until_gone(self._serve_rest(face, reader, writer), writer)

        return await self._listen(accept, port)

    async def _listen(self, accept: Accept, port: int) -> str:
        self._servers.append(await asyncio.start_server(accept, "127.0.0.1", port))
        host, number = self._servers[-1].sockets[0].getsockname()[:2]
        return f"{host}:{number}"

    def close(self) -> None:
        """Stop listening; calls under way are dropped."""
        for server in self._servers:
            server.close()
        for task in self._busy:
            task.cancel()
        (self._state / "socket").unlink(missing_ok=True)
        self._log.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._until_gone(self._serve(reader, writer), writer)

    async def _until_gone(self, serving: Awaitable[None], writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serving
        writer.close()

    async def _serve_rest(self, face: RestFace, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        began, args = time.time(), [request.method, request.path]
        caller = face.caller(request)
        answer: Answer | None
        if isinstance(caller, Answer):
            name, answer = "", caller
        else:
            name = caller.name
            answer = await self._rest_answer(args, lambda: face.answer(request, caller))
        self._write_down(REST, args, name, answer and answer.status, began)
        if answer is None:
            await reader.read()
            return
        writer.write(answer.encode())
        await writer.drain()

    async def _rest_answer(self, args: list[str], act: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """The answer; None where a fault swallows it."""
        fault = self._faults.next_for(REST, args)
        if fault is None:
            return await act()
        if fault.kind == "fail":
            return failure(fault.err.strip(), fault.code)
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            return await act()
        if fault.kind == "freeze":
            await self._faults.thawed()
        if not fault.lost:
            await act()
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await _receive(reader)
        fields = body.decode("utf-8", "surrogateescape").split("\0")
        began = time.time()
        peer = _peer(writer)
        if peer is None and not hmac.compare_digest(fields[0].encode(), self._token.encode()):
            _send(writer, b"R", Reply(1, err=f"{fields[1]}: error: MOCK_SLURM_TOKEN is missing or wrong\n").encode())
            await writer.drain()
            return
        call = self._call(fields, peer, reader, writer)
        if call.program == "_admin":
            reply: Reply | None = self._administrate(call)
        else:
            reply = await self._answer(call)
            self._record(call, reply, began)
        if reply is not None:
            _send(writer, b"R", reply.encode())
            await writer.drain()
        else:
            # Never answered: the caller gives up first.
            await reader.read()

    def _call(
        self,
        fields: list[str],
        peer: tuple[int, int] | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> Call:
        _, program, override, _, _, cwd, count, *rest = fields
        number = int(count)
        pairs = (item.partition("=") for item in rest[number:])
        # Over TCP the token was the proof, and the caller is whoever the controller is.
        ids = peer or (os.getuid(), os.getgid())
        caller = identify(*ids, override, self._controller.config)

        async def read(path: str | None) -> bytes:
            _send(writer, b"S" if path is None else b"F", b"" if path is None else os.fsencode(path))
            _, answer = await _receive(reader)
            if answer[:1] == b"E":
                raise OSError(answer[1:].decode())
            return answer[1:]

        return Call(program, rest[:number], caller, cwd, {name: value for name, _, value in pairs}, read)

    async def _answer(self, call: Call) -> Reply | None:
        fault = self._faults.next_for(call.program, call.args)
        if fault is None:
            return await COMMANDS[call.program](self._controller, call)
        return await self._answer_faultily(call, fault)

    async def _answer_faultily(self, call: Call, fault: Fault) -> Reply | None:
        if fault.kind == "fail":
            return Reply(fault.code, fault.out, fault.err)
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            return await COMMANDS[call.program](self._controller, call)
        call = await _with_input(call)
        if fault.kind == "freeze":
            # What the caller gave up on is done all the same once the controller moves again, unless it is to be lost.
            await self._faults.thawed()
            if fault.lost:
                return None
        await COMMANDS[call.program](self._controller, call)
        return None

    def _record(self, call: Call, reply: Reply | None, began: float) -> None:
        self._write_down(call.program, call.args, call.caller.name, None if reply is None else reply.code, began)

    def _write_down(self, program: str, args: list[str], user: str, code: int | None, began: float) -> None:
        if self._log.closed:
            return
        entry = {
            "time": began, "program": program, "argv": args, "user": user, "code": code,
            "seconds": round(time.time() - began, 6),
        }  # fmt: skip
        self._log.write(json.dumps(entry) + "\n")

    def _administrate(self, call: Call) -> Reply:
        if call.caller.uid not in {0, os.getuid()} and not call.caller.privileged:
            return Reply(1, err="only the controller's own user may change its faults\n")
        order: dict[str, Any] = json.loads(call.args[0])
        action = order.pop("do")
        if action == "stop":
            self.end_jobs = order["end_jobs"]
            self.stopping.set()
            return Reply()
        if action == "job":
            job = self._controller.jobs.get(order["id"])
            return Reply(0, json.dumps(_job_view(job.to_dict(), job.shown_state) if job else None))
        if action == "running":
            return Reply(0, json.dumps(len([job for job in self._controller.jobs.values() if job.step_pid])))
        return Reply(0, json.dumps(self._faults.change(action, order)))


def _job_view(job: dict[str, Any], shown: str) -> dict[str, Any]:
    # The environment and the script are the submitter's; nothing that watches a job needs them.
    request = {key: value for key, value in job["request"].items() if key not in {"environment", "script"}}
    return {**job, "request": request, "shown_state": shown}


async def _with_input(call: Call) -> Call:
    """The call with its input already here, for when the caller will be gone."""
    if call.program != "sbatch":
        return call
    kept: dict[str | None, bytes | OSError] = {}
    original = call.read
    source = script_source(call)
    if not isinstance(source, bool):
        try:
            kept[source] = await original(source)
        except OSError as error:
            kept[source] = error

    async def read(path: str | None) -> bytes:
        found = kept[path]
        if isinstance(found, OSError):
            raise found
        return found

    call.read = read
    return call


def _token(path: Path) -> str:
    if not path.exists():
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text(encoding="utf-8")


def _peer(writer: asyncio.StreamWriter) -> tuple[int, int] | None:
    """User and group at the other end of a unix socket, as the kernel knows them."""
    link: socket.socket = writer.get_extra_info("socket")
    if link.family != socket.AF_UNIX:
        return None
    _, uid, gid = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid, gid


def _send(writer: asyncio.StreamWriter, kind: bytes, body: bytes) -> None:
    writer.write(kind + len(body).to_bytes(4, "big") + body)


async def _receive(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], await reader.readexactly(int.from_bytes(head[1:], "big"))
