"""How a spawner learns what its job does: from the question that all servers share, else from one of its own."""

import asyncio
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from batchspawner import JobStatus  # type: ignore[import-untyped]
from traitlets import Float, Unicode

from jupyterhub_moss import outage
from jupyterhub_moss.backend_choice import BackendSpawner
from jupyterhub_moss.command_backend import QUEUE_CMD
from jupyterhub_moss.commands import run
from jupyterhub_moss.jobs import ENDED_STATES, PENDING_STATES, RUNNING_STATES, JobFacts
from jupyterhub_moss.poller import JobPoller

# seconds for which a page waits for Slurm; who starts, stops or adopts a server has more patience
_PAGE_PATIENCE = 2.0

#: The pollers of this hub by whom they ask.
shared_pollers: dict[Hashable, JobPoller] = {}


class PolledSpawner(BackendSpawner):
    """A spawner that shares one squeue with all others of its hub.

    The hub asks with its own account. An existing configuration whose `batch_query_cmd` is not batchspawner's, or
    whose `exec_prefix` goes to another machine, is asked for each server alone, as batchspawner does.
    """

    if TYPE_CHECKING:
        job_id: str
        job_status: str
        log: Any

    queue_cmd = Unicode(
        QUEUE_CMD,
        help="""squeue of the hub's own account, asked about the jobs of all servers at once. Where Slurm is on another
        machine: `ssh login squeue`.""",
    ).tag(config=True)

    queue_interval = Float(
        10, min=1, help="Seconds between two questions to Slurm about the running servers of the whole hub."
    ).tag(config=True)

    # batchspawner's defaults know few states and few errors, and take everything else for a job that ended
    state_pending_re = Unicode(
        rf"^(?:{'|'.join(PENDING_STATES)})\b", help="Regex for the state and host of a job that waits."
    ).tag(config=True)
    state_running_re = Unicode(
        rf"^(?:{'|'.join(RUNNING_STATES)})\b", help="Regex for the state and host of a job that is alive."
    ).tag(config=True)
    state_unknown_re = Unicode(
        r"^(?!.*Invalid job id)(?:slurm_load_jobs error|squeue: error|sudo: )",
        help="Regex for the errors of another `batch_query_cmd` than batchspawner's that say nothing about the job.",
    ).tag(config=True)

    _job_facts: JobFacts | None = None
    _unseen_by_hub = False
    _silence: Exception | None = None
    _poll: asyncio.Future[int | None] | None = None

    async def run_command(self, cmd: str, input: str | None = None, env: Mapping[str, str] | None = None) -> str:  # noqa: A002  # batchspawner's name
        """Run a shell command; the output, or `CommandError` with what it wrote to stderr.

        Without `env` it gets what a command needs that runs in the user's name, and nothing of what the hub holds.
        """
        return await run(cmd, given=input, env=self.command_env() if env is None else env)

    # What all share

    def _shares_the_question(self) -> bool:
        return self.slurm.shares_questions and not self._unseen_by_hub

    def _poller(self) -> JobPoller:
        key = self.slurm.key
        if key not in shared_pollers:
            shared_pollers[key] = JobPoller()
        return shared_pollers[key]

    async def query_job_status(self, max_age: float | None = None) -> JobStatus:
        """What the job does; `JobStatus.UNKNOWN` whenever Slurm did not say it, never `NOTFOUND`.

        `max_age` is how old the answer may be in seconds, `queue_interval` if not given.
        """
        if not self.job_id:
            self.job_status = ""
            return JobStatus.NOTFOUND
        if not self._shares_the_question():
            return await self._query_alone()
        poller, age = self._poller(), self.queue_interval if max_age is None else max_age

        def announce() -> None:
            outage.announce(self.user.settings, self.log, outage=poller.outage)

        number = self.job_id
        job, silence = await poller.look_up(number, self.slurm.jobs, max_age=age, on_outage=announce)
        if number != self.job_id:
            return self._asked_too_early()
        self._silence = silence
        if getattr(self._silence, "not_run", False):
            self._ask_alone_from_now_on(f"the hub's account cannot run {self.queue_cmd!r}: {self._silence}")
            return await self._query_alone()
        announce()
        if self._silence is not None:
            return JobStatus.UNKNOWN
        return self._seen(job) if job else await self._confirm_absence()

    def _asked_too_early(self) -> JobStatus:
        """A late answer about an earlier start says nothing of the one that followed."""
        return JobStatus.UNKNOWN if self.job_id else JobStatus.NOTFOUND

    async def poll_and_notify(self) -> int | None:
        """Poll by the hub's timer or for one of its pages, which does not wait long while Slurm hangs.

        None then, as nobody knows that the server has ended; the poll goes on, and tells the hub what it learns.
        """
        if self._poll is None or self._poll.done():
            self._poll = asyncio.ensure_future(super().poll_and_notify())
        poll = self._poll
        done, _ = await asyncio.wait([poll], timeout=_PAGE_PATIENCE)
        return poll.result() if done else None

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the job again."""
        super().load_state(state)
        if self.job_id:  # the hub loads all servers before it asks for the first: one question is enough
            self._poller().expect(self.job_id)

    def clear_state(self) -> None:
        """Forget the job."""
        self._poller().forget(self.job_id)
        self._job_facts = None
        super().clear_state()

    def _seen(self, job: JobFacts) -> JobStatus:
        if not self._is_ours(job):
            self.log.warning("Job %s is %r of %s and not of %s", job.number, job.name, job.user, self._log_name)
            self.job_status = ""
            return JobStatus.NOTFOUND
        self._job_facts = job
        self.job_status = f"{job.state} {job.host}"
        return self._status()

    def _status(self) -> JobStatus:
        # by the configured expressions, as for the output of batchspawner's own command
        if self.state_isrunning():
            return JobStatus.RUNNING
        if self.state_ispending():
            return JobStatus.PENDING
        state = self.job_status.partition(" ")[0]
        return JobStatus.NOTFOUND if not state or state in ENDED_STATES else JobStatus.UNKNOWN

    def _is_ours(self, job: JobFacts) -> bool:
        """Whether it is this server's job: Slurm gives an id again when it has used them all."""
        owner = self.job_owner()
        return owner is None or job.user == owner

    # What one asks alone

    async def _confirm_absence(self) -> JobStatus:
        """Ask in the user's name about a job that the hub does not see: with PrivateData=jobs it lives."""
        status = await self._query_alone()
        if status in {JobStatus.RUNNING, JobStatus.PENDING}:
            self._ask_alone_from_now_on("Slurm does not show it to the hub's account (PrivateData=jobs?)")
        return status

    def _ask_alone_from_now_on(self, why: str) -> None:
        self.log.warning("The job of %s is asked for alone from now on: %s", self._log_name, why)
        self._unseen_by_hub = True
        self._poller().forget(self.job_id)

    async def _query_alone(self) -> JobStatus:
        if self.slurm.custom_query:
            return await super().query_job_status()
        number = self.job_id
        try:
            job_status = await self.slurm.state_and_host(number)
        except (RuntimeError, OSError, ValueError, TimeoutError) as error:
            self._silence = error
            return JobStatus.UNKNOWN
        if number != self.job_id:
            return self._asked_too_early()
        self.job_status = job_status
        return self._status()
