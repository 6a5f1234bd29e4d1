"""Running a command of Slurm without blocking the hub."""

import asyncio
from collections.abc import Mapping

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
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_shell(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        output, errors = await process.communicate(None if given is None else given.encode())
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    if process.returncode:
        raise CommandError(errors.decode(errors="replace").strip(), process.returncode)
    return output.decode(errors="replace").strip()
