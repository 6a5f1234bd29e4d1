"""A server's life from its start to its end, over restarts of the hub.

What a start needs to go on is stored at each step: the name before sbatch is asked, the id when it is known, the port
when it was reported, the wish to stop before scancel is asked. A hub that was killed takes up where it was.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from batchspawner import JobStatus  # type: ignore[import-untyped]

from jupyterhub_moss.backend import NoAnswerError
from jupyterhub_moss.credentials import token_digest
from jupyterhub_moss.errors import JobEndedError, SpawnRefused
from jupyterhub_moss.submission import SubmittingSpawner

# how old an answer may be, in seconds, while somebody waits
_STARTING, _RUNNING_SOON, _STOPPING = 1.0, 0.2, 0.2
_STOP_INTERVAL = 0.25
# seconds for which a stopped server's job may go on; Slurm has accepted scancel and kills it after KillWait
_GOES_ON = 10.0
_NEVER_MIND = ("Access/permission denied", "Operation not permitted", "Invalid job id")


def _pauses() -> Iterator[float]:
    pause = 1.0
    while True:
        yield pause
        pause = min(2 * pause, 30.0)


class LastingSpawner(SubmittingSpawner):
    """A spawner whose servers survive the hub, and of which no job is left behind."""

    if TYPE_CHECKING:
        api_token: str
        ip: Any
        port: int
        pending: str | None
        server: Any
        start_timeout: float
        startup_poll_interval: float

    token_digest = ""
    """Of the server's token, by which its job is known; the token itself is not stored."""
    _served = True
    _stop_wanted = False
    _address: tuple[str, int] | None = None

    def get_state(self) -> dict[str, Any]:
        """What the hub stores for its next start."""
        state = super().get_state()
        if self.job_name:
            state |= {"served": self._served, "port": self.port, "token_digest": self.token_digest}
        return {**state, "stop_wanted": True} if self._stop_wanted else state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the start, or the stop, of the hub's last run."""
        super().load_state(state)
        # batchspawner's own state, of a hub that ran another version, has neither
        self._served, self.port = state.get("served", True), state.get("port", 0)
        self._stop_wanted = state.get("stop_wanted", False)
        self.token_digest = state.get("token_digest", "")

    def clear_state(self) -> None:
        """Forget the job."""
        super().clear_state()
        self._served, self._stop_wanted, self._address, self.token_digest = True, False, None, ""

    # The port

    @property
    def awaits_port(self) -> bool:
        """Whether the job may report the port of its server now."""
        return not self._served and self.pending in {"spawn", "check"}

    def take_port(self, port: int) -> None:
        """Keep the port that the job reported."""
        self.port = port
        self._persist()

    # Start

    async def start(self) -> Any:
        """Submit the job and wait until its server has reported its port; where it listens."""
        self.port, self._served, self.token_digest = 0, False, token_digest(self.api_token)
        if self.server:
            self.server.port = 0
        await self.submit_batch_script()
        return await self._until_served()

    async def _until_served(self) -> tuple[str, int]:
        while True:
            status = await self.query_job_status(max_age=_RUNNING_SOON if self.port else _STARTING)
            if status is JobStatus.NOTFOUND:
                raise await self._ended()
            if status is JobStatus.RUNNING and self.port:
                break
            self._check_possible()
            await asyncio.sleep(self.startup_poll_interval)
            if hasattr(self, "mock_port"):  # of batchspawner's tests, where no server runs
                self.port = self.mock_port
        self.ip, self._served = self.state_gethost(), True
        self._persist()
        self.log.info("The server of %s listens at %s:%s in job %s", self._log_name, self.ip, self.port, self.job_id)
        return self.ip, self.port

    def _check_possible(self) -> None:
        """Raise when the job will never start."""

    async def _ended(self) -> SpawnRefused:
        """Why there is no server."""
        return JobEndedError("The job ended before its server could be reached")

    # Restart of the hub

    async def get_url(self) -> str:
        """Where the server listens; a start that this hub took up has found it out itself."""
        if self._address is None:
            return str(await super().get_url())
        host, port = self._address
        return f"{'https' if self.internal_ssl else 'http'}://{host}:{port}"

    async def _take_up(self) -> int | None:
        """Go on with a start of the hub's last run; the result is that of `poll`."""
        try:
            self._address = await asyncio.wait_for(self._until_served(), self.start_timeout)
        except (SpawnRefused, TimeoutError) as problem:
            self.log.warning("The start of %s was taken up and failed: %s", self._log_name, repr(problem))
            return 1
        return None

    async def poll(self) -> int | None:
        """None while the server runs or may run; a number when Slurm says that its job has ended."""
        if self.pending == "check" and self._stop_wanted:
            await self.stop()
            return 0
        if self.job_name and not self.job_id:
            await self._look_for_job()
        if self.pending == "check" and not self._served and self.job_id:
            return await self._take_up()
        status = await self.query_job_status()
        if status is JobStatus.PENDING and self._served and self.pending != "stop":
            return await self._end_requeued()
        return 1 if status is JobStatus.NOTFOUND else None

    async def _end_requeued(self) -> int:
        # a node failed, or an administrator said so; nobody would know where its next run listens
        self.log.warning("Job %s of %s waits in the queue again and is ended", self.job_id, self._log_name)
        await self.stop()
        return 1

    # Stop

    async def stop(self, now: bool = False) -> None:
        """End the job: wait until Slurm has accepted that, and, unless `now`, until the job is gone."""
        if await self.query_job_status(max_age=_STARTING) is JobStatus.NOTFOUND:
            return
        self._stop_wanted = True
        self._persist()
        await self._cancel()
        if not now:
            await self._until_gone()

    async def cancel_batch_job(self) -> None:
        """Ask Slurm to end the job."""
        self.log.info("Ending job %s of %s", self.job_id, self._log_name)
        await self.slurm.cancel(self.job_id)

    async def _cancel(self) -> None:
        for pause in _pauses():
            try:
                return await self.cancel_batch_job()
            except RuntimeError as error:
                if await self.query_job_status(max_age=0) is JobStatus.NOTFOUND:
                    return None
                if not self._may_try_again(error):
                    raise
                self.log.warning("Job %s of %s could not be ended yet: %s", self.job_id, self._log_name, error)
            await asyncio.sleep(pause)
        return None

    def _may_try_again(self, error: RuntimeError) -> bool:
        # without an answer nothing was refused, whatever words there are
        refused = not isinstance(error, NoAnswerError) and any(words in str(error) for words in _NEVER_MIND)
        return self.slurm.may_pass(error) and not refused

    async def _until_gone(self) -> None:
        for _ in range(int(_GOES_ON / _STOP_INTERVAL)):
            if await self.query_job_status(max_age=_STOPPING) is JobStatus.NOTFOUND:
                return
            await asyncio.sleep(_STOP_INTERVAL)
        self.log.warning("Job %s of %s was cancelled and is not gone yet", self.job_id, self._log_name)
