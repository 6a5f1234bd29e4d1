"""The controller as slurmrestd 22.05 shows it: HTTP, JSON, tokens, and v0.0.38 of the interface."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from .calls import Call
from .commands import scancel
from .commands.sbatch import queue, read_script
from .controller import Controller
from .getopt import Parsed
from .identity import Caller, identify
from .rest_tokens import account_in
from .rest_views import job_view, node_view, partition_view
from .submission import Refusal

__all__ = ["REST", "Answer", "RestFace", "failure", "read_request"]

REST = "slurmrestd"
"""Its name in faults and in the log of calls, where a call's arguments are method and path."""
_PREFIX = "/slurm/v0.0.38/"
_META = {"plugin": {"type": "openapi/v0.0.38", "name": "Slurm OpenAPI v0.0.38"}}
_FAILED = 500
# Slurm's numbers for its sentences, as far as they were seen
_NUMBERS = {
    "Invalid partition name specified": 2000, "Access/permission denied": 2002,
    "User's group not permitted to use this partition": 2003, "Requested node configuration is not available": 2014,
    "Invalid job id specified": 2017, "Requested reservation is invalid": 2053,
}  # fmt: skip
_OTHER = 9000
_FLAGS = {"contiguous": "contiguous", "hold": "hold", "no_requeue": "no-requeue", "requeue": "requeue"}
_OPTIONS = {
    "account": "account", "begin_time": "begin", "comment": "comment", "constraints": "constraint",
    "cpus_per_task": "cpus-per-task", "current_working_directory": "chdir", "dependency": "dependency",
    "exclusive": "exclusive", "gpus": "gpus", "gpus_per_node": "gpus-per-node", "gres": "gres",
    "memory_per_cpu": "mem-per-cpu", "memory_per_node": "mem", "name": "job-name", "nice": "nice",
    "nodelist": "nodelist", "nodes": "nodes", "partition": "partition", "qos": "qos", "reservation": "reservation",
    "standard_error": "error", "standard_input": "input", "standard_output": "output", "tasks": "ntasks",
    "tasks_per_node": "ntasks-per-node", "time_limit": "time",
}  # fmt: skip


class HttpRequest(NamedTuple):
    """What came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What goes out."""

    status: int
    body: bytes
    content_type: str = "application/json"

    def encode(self) -> bytes:
        """The answer as HTTP; the connection ends with it."""
        head = f"HTTP/1.1 {self.status} MOCK\r\nConnection: Close\r\nContent-Length: {len(self.body)}\r\n"
        return f"{head}Content-Type: {self.content_type}\r\n\r\n".encode() + self.body


async def read_request(reader: asyncio.StreamReader) -> HttpRequest:
    """Read one request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return HttpRequest(method, unquote(urlsplit(target).path), headers, body)


def _json(status: int, **content: Any) -> Answer:
    return Answer(status, json.dumps({"meta": _META, "errors": [], **content}).encode())


def failure(message: str, number: int | None = None, status: int = _FAILED) -> Answer:
    """An answer that has only an error."""
    found = _NUMBERS.get(message, _OTHER) if number is None else number
    return _json(status, errors=[{"error_number": found, "error": message}])


_LISTS: Mapping[str, Callable[[Controller], list[dict[str, Any]]]] = {
    "ping": lambda controller: [{"hostname": controller.config.controller_host, "ping": "UP", "status": 0}],
    "jobs": lambda controller: [job_view(job, controller) for job in controller.visible()],
    "nodes": lambda controller: [node_view(node, controller) for node in controller.nodes.values()],
    "partitions": lambda controller: [partition_view(spec) for spec in controller.config.partitions.values()],
}


class RestFace:
    """Answers requests for one controller; `key` is that of its tokens."""

    def __init__(self, controller: Controller, key: bytes) -> None:
        self._controller, self._key = controller, key

    def caller(self, request: HttpRequest) -> Caller | Answer:
        """Who asks, or what is answered to somebody unknown."""
        name, token = (request.headers.get(f"x-slurm-user-{part}") for part in ("name", "token"))
        if not name or not token:
            return Answer(401, b"Authentication failure", "text/plain")
        signed_for = account_in(token, self._key)
        if signed_for is None or signed_for not in {name, "root", pwd.getpwuid(os.getuid()).pw_name}:
            return failure("Unspecified error" if request.method == "GET" else "Protocol authentication error",
                           -1 if request.method == "GET" else 1007)  # fmt: skip
        return identify(os.getuid(), os.getgid(), name, self._controller.config)

    async def answer(self, request: HttpRequest, caller: Caller) -> Answer:
        """Do what is asked."""
        path = request.path.removeprefix(_PREFIX).strip("/").split("/") if request.path.startswith(_PREFIX) else []
        match request.method, path:
            case "GET", ["job", number]:
                return self._job(number)
            case "DELETE", ["job", number]:
                return await self._cancel(number, caller)
            case "POST", ["job", "submit"]:
                return await self._submit(json.loads(request.body), caller)
            case "GET", [name] if name in _LISTS:
                return _json(200, **{f"{name.removesuffix('s')}s": _LISTS[name](self._controller)})
        return Answer(404, b"Unable find requested URL.", "text/plain")

    def _job(self, number: str) -> Answer:
        found = self._controller.visible([int(number)] if number.isdigit() else [])
        if not found:
            return failure("Invalid job id specified")
        return _json(200, jobs=[job_view(job, self._controller) for job in found])

    async def _cancel(self, number: str, caller: Caller) -> Answer:
        if not (number.isdigit() and self._controller.visible([int(number)])):
            return failure("Invalid job id specified")
        reply = await scancel.run(self._controller, self._call("scancel", [number], caller, {}))
        return failure("Access/permission denied") if reply.code else _json(200)

    async def _submit(self, body: Mapping[str, Any], caller: Caller) -> Answer:
        job = dict(body["job"])
        environment = {str(name): str(value) for name, value in job.pop("environment").items()}
        options: list[tuple[str, str]] = []
        for key, value in job.items():
            if key not in _OPTIONS and key not in _FLAGS:
                return failure(f'Unknown key "{key}"', 9001, 400)
            options += _option(key, value)
        if environment.get("SLURM_GET_USER_ENV") == "1":
            options.append(("get-user-env", ""))
        call = self._call(REST, [], caller, environment)
        try:
            script = read_script(body["script"].encode())
            return _json(200, job_id=queue(self._controller, call, Parsed(options, []), script).id, step_id="BATCH")
        except Refusal as refusal:
            return failure(re.sub(r"^Batch job submission failed: ", "", refusal.lines[-1]))

    def _call(self, program: str, args: list[str], caller: Caller, environment: dict[str, str]) -> Call:
        async def read(_: str | None) -> bytes:
            raise OSError("nothing is read from who asks over HTTP")

        return Call(program, args, caller, "/", environment, read)


def _option(key: str, value: Any) -> list[tuple[str, str]]:
    if key in _FLAGS:
        return [(_FLAGS[key], "")] if value else []
    return [(_OPTIONS[key], str(value))]
