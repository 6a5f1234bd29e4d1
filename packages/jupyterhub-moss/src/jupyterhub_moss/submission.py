"""Submitting a job so that it can be found again, whatever happens to the hub or to Slurm's answer.

Each submission has a name of its own, which is stored before sbatch is asked. If the hub ends, or sbatch has no answer,
the job is looked for by that name: Slurm carries out an sbatch that timed out as soon as it can.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from batchspawner import JobStatus  # type: ignore[import-untyped]
from traitlets import Float

from jupyterhub_moss.backend import NoAnswerError
from jupyterhub_moss.commands import CommandError
from jupyterhub_moss.errors import SubmissionError
from jupyterhub_moss.jobs import ENDED_STATES, JobFacts
from jupyterhub_moss.polling import PolledSpawner
from jupyterhub_moss.script import with_directives
from pentad_config import redact

_NO_ANSWER = re.compile(
    r"timed out|Unable to contact slurm controller|Zero Bytes were transmitted|Communication connection failure|"
    r"Communication shutdown failure|Unexpected message received|Connection reset|Connection closed"
)
_NAME_PREFIX = "spawner-jupyterhub"
_PAUSE = 1.0


def is_silence(error: Exception) -> bool:
    """Whether a failure leaves open what Slurm did: no answer, no words, or words that are no job id."""
    if isinstance(error, NoAnswerError):
        return True
    if isinstance(error, CommandError) and (error.killed or not error.stderr):
        return True
    return not isinstance(error, RuntimeError) or bool(_NO_ANSWER.search(str(error)))


def refusal(stderr: str) -> str:
    """Slurm's own sentence for the user, without the command's name and without secrets."""
    lines = [line.removeprefix("sbatch: error: ") for line in str(redact(stderr)).splitlines() if line.strip()]
    return f"Slurm did not accept the job: {' '.join(lines) or 'sbatch gave no reason'}"


class SubmittingSpawner(PolledSpawner):
    """A spawner that knows of every job that it may have submitted."""

    if TYPE_CHECKING:
        orm_spawner: Any

    submission_wait = Float(
        15,
        min=0,
        help="""Seconds for which Slurm must say that it has no job of the submission's name, before an sbatch without
        an answer counts as not carried out.""",
    ).tag(config=True)

    job_name = ""
    """Name of the job, stored before it is submitted; empty when there can be none."""
    _job_seen = False

    def get_state(self) -> dict[str, Any]:
        """What the hub stores for its next start."""
        state: dict[str, Any] = super().get_state()
        return {**state, "job_name": self.job_name, "job_seen": self._job_seen} if self.job_name else state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the job, or the submission, of the hub's last run."""
        super().load_state(state)
        self.job_name, self._job_seen = state.get("job_name", ""), state.get("job_seen", False)

    def clear_state(self) -> None:
        """Forget the job."""
        super().clear_state()
        self.job_name, self._job_seen = "", False

    def _persist(self) -> None:
        """Store the state now: the hub itself does so only after a complete start."""
        if self.orm_spawner is not None:
            self.orm_spawner.state = self.get_state()
            self.user.db.commit()

    async def _hand_in(self, script: str, environment: Mapping[str, str]) -> None:
        """Give the script to Slurm and keep the job's id; `SubmissionError` when there is certainly no job."""
        self.job_id, self.job_name, self._job_seen = "", f"{_NAME_PREFIX}-{secrets.token_hex(8)}", False
        self._persist()
        script = with_directives(script, [f"--job-name={self.job_name}", "--no-requeue"])
        self.log.debug("Job script of %s:\n%s", self._log_name, script)
        try:
            self.job_id = await self.slurm.submit(script, environment)
        except (RuntimeError, ValueError, IndexError) as error:
            await self._after_failed_submission(error)
        self._persist()

    async def _after_failed_submission(self, error: Exception) -> None:
        if is_silence(error):
            self.log.warning("Slurm has no answer for %s, looking for its job: %s", self._log_name, error)
            await self._look_for_job()
        else:
            self.job_name = ""
            self._persist()
        if not self.job_id:
            raise SubmissionError(refusal(str(error))) from error

    async def _look_for_job(self) -> None:
        """Find the job of the submission by its name, or make sure that there is none; waits while Slurm is silent."""
        self.job_id = await self._search()
        if self.job_id:
            self.log.warning("Found job %s of %s by its name", self.job_id, self._log_name)
        else:
            self.job_name = ""
        self._persist()

    async def _search(self) -> str:
        if self.slurm.custom_query:
            return ""  # how this configuration would look for a name is not known
        absent_since: float | None = None
        while absent_since is None or time.monotonic() - absent_since < self.submission_wait:
            try:
                jobs = [job for job in await self.slurm.jobs_named(self.job_name) if self._is_ours(job)]
            except (RuntimeError, ValueError) as error:
                if isinstance(error, CommandError) and error.not_run:
                    return ""  # there is no squeue to look with
                absent_since = None
            else:
                if jobs:
                    return max(jobs, key=lambda job: (job.state not in ENDED_STATES, int(job.number))).number
                absent_since = absent_since or time.monotonic()
            await asyncio.sleep(min(_PAUSE, self.submission_wait))
        return ""

    def _is_ours(self, job: JobFacts) -> bool:
        """Whether owner and name are those of this server's job."""
        return super()._is_ours(job) and self.job_name in {"", job.name}

    def _seen(self, job: JobFacts) -> JobStatus:
        if self.job_name and not self._job_seen and super()._is_ours(job):
            # the first look at the id that sbatch gave: a site's own sbatch command may have set another name
            self.job_name, self._job_seen = job.name, True
            self._persist()
        return super()._seen(job)
