"""What a person learns who waits for a server: why, for how long, and what went wrong."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jupyterhub_moss.errors import ImpossibleRequestError, JobEndedError, SpawnRefused
from jupyterhub_moss.facts import AnswerCache
from jupyterhub_moss.jobs import JobFacts
from jupyterhub_moss.lifetime import LastingSpawner
from jupyterhub_moss.reasons import why_ended, why_impossible, why_waiting
from pentad_config import redact

# seconds for which the order of the queue is used again: it changes slowly, and the question is about everybody's jobs
_QUEUE_AGE = 15.0
# jobs that wait for these are in line; the others would be passed over
_IN_LINE = frozenset({"None", "Priority", "Resources"})
_LINES, _BYTES = 20, 4000
_READING_SECONDS = 10.0

#: The waiting jobs of the cluster, shared by every spawner of the hub.
shared_queue: AnswerCache[Mapping[str, JobFacts]] = AnswerCache()


def position(job: JobFacts, waiting: Mapping[str, JobFacts]) -> int | None:
    """The place of a job in its partition's line, from 1; None if it is not in line."""
    line = [each for each in waiting.values() if each.partition == job.partition and each.reason in _IN_LINE]
    line.sort(key=lambda each: (-each.priority, int(each.number.partition("_")[0])))
    return next((place for place, each in enumerate(line, 1) if each.number == job.number), None)


def estimated_start(job: JobFacts) -> str:
    """When Slurm expects the job to start, for a person; empty without an estimate."""
    try:
        return f"{datetime.fromisoformat(job.start):%A %H:%M}"
    except ValueError:
        return ""


def last_lines(output: str) -> str:
    """The end of a job's output, without control characters and secrets."""
    lines = str(redact(output)).splitlines()[-_LINES:]
    return "\n".join("".join(char for char in line if char.isprintable() or char == "\t") for line in lines)


class ExplainingSpawner(LastingSpawner):
    """A spawner that says why a server does not start."""

    if TYPE_CHECKING:
        user_options: dict[str, Any]

    last_end = ""
    """Why the last server ended that nobody stopped, as the rest of a sentence; empty where that is not known."""
    last_failure = ""
    """Why the last start failed of a job that Slurm had taken, in sentences; empty where it did not."""
    _doubted: JobFacts | None = None

    def get_state(self) -> dict[str, Any]:
        """What the hub stores for its next start."""
        state: dict[str, Any] = super().get_state()
        past = {"last_end": self.last_end, "last_failure": self.last_failure}
        return {**state, **{key: words for key, words in past.items() if words}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what the hub has stored; an end of the server does not clear why it ended."""
        super().load_state(state)
        self.last_end, self.last_failure = state.get("last_end", ""), state.get("last_failure", "")

    async def start(self) -> Any:
        """Start as usual; what became of the last server is the past."""
        self.last_end = self.last_failure = ""
        return await super().start()

    async def _until_served(self) -> tuple[str, int]:
        number = self.job_id
        try:
            return await super()._until_served()
        except SpawnRefused as refused:
            # a stop that ended the job may be over and have forgotten it
            if self.job_id == number and not self._stop_wanted:
                self.last_failure = refused.sentence
            raise

    async def poll(self) -> int | None:
        """Poll as usual, and keep why a server has ended."""
        runs = self.job_id if self._served and not self._stop_wanted else ""
        status = await super().poll()
        # a stop that began meanwhile may have ended, too, and forgotten the job
        if status is not None and runs and self.job_id == runs and not self._stop_wanted:
            self.last_end = why_ended(self._job_facts) or self.last_end
        return status

    async def _end_requeued(self) -> int:
        self.last_end = "Slurm put it back into the queue, as after a failure of its node"
        return await super()._end_requeued()

    def _check_possible(self) -> None:
        job = self._job_facts
        words = why_impossible(job.reason) if job is not None and job.waits else ""
        if job is None or not words:
            self._doubted = None
        elif self._doubted is None:
            self._doubted = job
        elif self._doubted is not job:  # Slurm said it again: it is no passing state of a scheduling cycle
            self._doubted = None
            raise ImpossibleRequestError(f"{words}.")

    async def _ended(self) -> JobEndedError:
        why = why_ended(self._job_facts)
        message = f"The job ended before its server could be reached{f': {why}' if why else ''}."
        if (lines := await self._output()) is None:
            return JobEndedError(message, "Start it with a log to see its output.")
        return JobEndedError(message, "Its output ended with:" if lines else "It wrote nothing.", lines)

    async def _output(self) -> str | None:
        name = self.user_options.get("output", "/dev/null")
        if name == "/dev/null":
            return None
        path = f"{self.req_homedir}/{name.replace('%j', self.job_id)}"
        command = self.slurm.in_users_name(f"tail -c {_BYTES} -- {shlex.quote(path)}")
        if command is None:
            return f"(see {path})"
        try:
            return last_lines(await asyncio.wait_for(self.run_command(command), _READING_SECONDS))
        except (RuntimeError, OSError, TimeoutError) as error:
            self.log.warning("The output of job %s cannot be read: %r", self.job_id, error)
            return f"(the hub cannot read {path})"

    async def _waiting_message(self, job: JobFacts) -> str:
        parts = [why_waiting(job.reason)]
        if job.reason in _IN_LINE and self._shares_the_question():
            queue = await shared_queue.get((self.slurm.key,), self.slurm.waiting_jobs, max_age=_QUEUE_AGE)
            if place := position(job, queue.value or {}):
                parts.append(f"Place {place} in the queue of partition {job.partition}")
        if start := estimated_start(job):
            parts.append(f"Estimated start: {start}")
        return ". ".join(parts) + "."

    async def _message(self) -> str:
        if self._silence is not None:
            return "The cluster's scheduler does not answer at the moment; the job is kept."
        if not self.job_id:
            return "Asking the cluster's scheduler for a job."
        if self.state_isrunning():
            return "Cluster job running... waiting to connect"
        job = self._job_facts
        return await self._waiting_message(job) if job is not None and job.waits else "Pending in queue..."

    async def progress(self) -> AsyncIterator[dict[str, str]]:
        """What the page of a starting server shows: a line whenever there is something new."""
        last = ""
        while True:
            message = await self._message()
            if message != last:
                yield {"message": message}
            last = message
            await asyncio.sleep(1)
