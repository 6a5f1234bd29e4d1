"""Running a command of Slurm without blocking the hub."""

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

# what a shell answers for a program that is not there or may not be run
_NOT_RUN = frozenset({126, 127})
# and for one that a signal ended
_SIGNALS = range(129, 160)


class CommandError(RuntimeError):
    """A command failed; its text is what the command wrote to `stderr`, and `code` its exit code."""

    def __init__(self, stderr: str, code: int) -> None:
        super().__init__(stderr or f"the command ended with exit code {code} and said nothing")
        self.code, self.stderr = code, stderr

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return self.code < 0 or self.code in _SIGNALS

    @property
    def not_run(self) -> bool:
        """Whether the program is missing on this machine."""
        return self.code in _NOT_RUN


async def run(command: str, *, given: str | None, env: Mapping[str, str]) -> str:
    """Run a shell command with `given` as its input; the stripped output, or `CommandError`.

    A command that is waited for no longer is killed.
    """
    # Not by asyncio: a hub that is told to stop cancels every task, and Pythons up to 3.13.3 then wait for ever for a
    # process that asyncio is just starting.
    pipe = subprocess.PIPE
    process = subprocess.Popen(  # noqa: S602, ASYNC220  # a site's own command line; asyncio, too, starts it in this thread
        command, shell=True, env=env, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        output, errors = await _in_a_thread(partial(process.communicate, None if given is None else given.encode()))
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise CommandError(errors.decode(errors="replace").strip(), process.returncode)
    return output.decode(errors="replace").strip()


async def _in_a_thread(work: Callable[[], T]) -> T:
    """What `work` returns. Its thread is a daemon: a command that nothing ends keeps no hub from ending."""
    settled: Future[T] = Future()
    settled.set_running_or_notify_cancel()  # who waits no longer does not keep the thread from settling it

    def body() -> None:
        try:
            settled.set_result(work())
        except Exception as error:  # noqa: BLE001  # told to who waits
            settled.set_exception(error)

    Thread(target=body, daemon=True).start()
    return await asyncio.wrap_future(settled)
