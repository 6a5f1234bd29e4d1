"""What every command is on the caller's side: a messenger to the controller.

One file without imports beyond the standard library's C modules, run as `python -I -S client.py PROGRAM ARGS...`,
because a scheduler's commands are called often and must start fast. It knows nothing of Slurm but how its commands
complain when the controller does not answer.
"""

import _socket
import os
import sys

_REFUSED = ("Unable to contact slurm controller (connect failure)", 1800)
_TIMED_OUT = ("Socket timed out on send/recv operation", 5004)
_PREFIXES = {
    "squeue": "slurm_load_jobs error: ",
    "sinfo": "slurm_load_partitions: ",
    "sbatch": "sbatch: error: Batch job submission failed: ",
    "sacct": "sacct: error: Problem talking to the database: ",
}


class UnansweredError(Exception):
    """The controller was not reached, or did not answer in time."""


def connect(address: str, patience: float) -> "_socket.socket":
    """A connection to HOST:PORT or to a unix socket; `patience` seconds is how long each step may take."""
    if ":" in address and not address.startswith("/"):
        host, _, port = address.rpartition(":")
        link = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        target: tuple[str, int] | str = (host, int(port))
    else:
        link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        target = address
    link.settimeout(patience)
    try:
        link.connect(target)
    except TimeoutError:
        raise UnansweredError(_TIMED_OUT) from None
    except OSError:
        raise UnansweredError(_REFUSED) from None
    return link


def _connect_within(address: str, patience: float, retry: float) -> "_socket.socket":
    import time

    end = time.monotonic() + retry
    while True:
        try:
            return connect(address, patience)
        except UnansweredError:
            left = end - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(0.2, left))


def _send(link: "_socket.socket", kind: bytes, body: bytes) -> None:
    link.sendall(kind + len(body).to_bytes(4, "big") + body)


def _exactly(link: "_socket.socket", count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = link.recv(count - len(data))
        if not part:
            raise UnansweredError(_REFUSED)
        data += part
    return data


def _receive(link: "_socket.socket") -> tuple[bytes, bytes]:
    head = _exactly(link, 5)
    return head[:1], _exactly(link, int.from_bytes(head[1:], "big"))


def _read(path: str | None) -> bytes:
    # A script is read here, with the caller's rights and from the caller's files.
    if path is None:
        return b"D" + sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return b"D" + file.read()
    except OSError as error:
        return b"E" + (error.strerror or str(error)).encode()


def _request(program: str, args: list[str]) -> bytes:
    fields = [
        os.environ.get("MOCK_SLURM_TOKEN", ""), program, os.environ.get("MOCK_SLURM_USER", ""),
        str(os.getuid()), str(os.getgid()), _folder(), str(len(args)), *args,
    ]  # fmt: skip
    variables = [f"{name}={value}" for name, value in os.environ.items() if not name.startswith("MOCK_SLURM_TOKEN")]
    # Reading the mask means setting it; the job gets its submitter's.
    mask = os.umask(0o077)
    os.umask(mask)
    variables.append(f"SLURM_UMASK={mask:04o}")
    return "\0".join(fields + variables).encode("utf-8", "surrogateescape")


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"


def converse(link: "_socket.socket", program: str, args: list[str]) -> bytes:
    """Send one command and serve what the controller asks for; the answer's body."""
    _send(link, b"Q", _request(program, args))
    while True:
        kind, body = _receive(link)
        if kind == b"R":
            return body
        _send(link, b"A", _read(None if kind == b"S" else os.fsdecode(body)))


def _complain(program: str, args: list[str], problem: tuple[str, int]) -> int:
    text, number = problem
    if program == "scancel":
        job = next((word for word in args if word[:1].isdigit()), "")
        sys.stderr.write(f"scancel: error: Kill job error on job id {job}: {text}\n")
        return number % 256
    if program == "scontrol" and args[:1] == ["ping"]:
        sys.stdout.write(f"Slurmctld(primary) at {os.uname().nodename} is DOWN\n")
        return 1
    prefix = _PREFIXES.get(program, "slurm_load_jobs error: ")
    if program == "scontrol" and args[1:2] and args[1][:4] in ("node", "part"):
        prefix = "slurm_load_node error: " if args[1].startswith("node") else "slurm_load_partitions error: "
    sys.stderr.write(f"{prefix}{text}\n")
    return 1


def main(program: str, args: list[str]) -> int:
    """Run one command; its exit code."""
    address = os.environ.get("MOCK_SLURM_ADDRESS")
    if not address:
        sys.stderr.write(
            f"{program}: error: MOCK_SLURM_ADDRESS is not set: take the environment of a running mock_slurm\n"
        )
        return 1
    # squeue asks its controller twice, and waits for each answer.
    patience = float(os.environ.get("MOCK_SLURM_MESSAGE_TIMEOUT", "10")) * (2 if program == "squeue" else 1)
    try:
        link = _connect_within(address, patience, float(os.environ.get("MOCK_SLURM_CONNECT_TIMEOUT", "0")))
        body = converse(link, program, args)
    except UnansweredError as error:
        return _complain(program, args, error.args[0])
    except TimeoutError:
        return _complain(program, args, _TIMED_OUT)
    except OSError:
        return _complain(program, args, _REFUSED)
    code, size = body[0], int.from_bytes(body[1:5], "big")
    try:
        sys.stdout.buffer.write(body[5 : 5 + size])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr.buffer.write(body[5 + size :])
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
