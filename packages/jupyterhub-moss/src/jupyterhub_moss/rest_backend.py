"""Slurm through slurmrestd: no command is run, and none needs sudo."""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from jupyterhub_moss.access import Association, Rules
from jupyterhub_moss.backend import NoAnswerError
from jupyterhub_moss.facts import Resources
from jupyterhub_moss.job_description import job_description
from jupyterhub_moss.jobs import PENDING_STATES, JobFacts
from jupyterhub_moss.rest_client import ENDED_JOB, NOTHING_FOUND, UNKNOWN_JOB, RestClient, RestError
from jupyterhub_moss.rest_reading import read_associations, read_jobs, read_partitions, read_rules

# slurmrestd tells of one job or of all: from so many on, all are less work
_FEW = 50
_AT_ONCE = 8

T = TypeVar("T")


def _understood(read: Callable[..., T], *answers: Any) -> T:
    try:
        return read(*answers)
    except (LookupError, TypeError, ValueError) as error:
        raise NoAnswerError(f"slurmrestd's answer cannot be read: {error!r}") from error


class RestBackend:
    """Asks slurmrestd: as the account `hub` about all jobs, and as `account` about what is that user's.

    Without a name the hub is whoever its token was made for.
    """

    def __init__(self, client: RestClient, account: str, hub: str | None, key: Hashable, log: Any) -> None:
        self._client, self._account, self._hub, self._log = client, account, hub, log
        self.key = key
        self.partitions_key: tuple[Hashable, ...] = ("slurmrestd", key)
        self.shares_questions, self.custom_query = True, False

    def may_pass(self, error: Exception) -> bool:  # noqa: ARG002  # what Slurm forbids is known by its words
        """Always: slurmrestd comes back, and so does a token that is renewed."""
        return True

    def in_users_name(self, command: str) -> None:
        """Never: slurmrestd runs no commands, and the hub's own account must not read for a user."""

    async def jobs(self, numbers: Sequence[str]) -> Mapping[str, JobFacts]:
        """One request for each of a few jobs, or one for all."""
        if len(numbers) > _FEW:
            jobs = await self._all_jobs(self._hub)
            return {number: jobs[number] for number in numbers if number in jobs}
        gate = asyncio.Semaphore(_AT_ONCE)

        async def look_at(number: str) -> Mapping[str, JobFacts]:
            async with gate:
                return await self._job(number, self._hub)

        try:
            async with asyncio.TaskGroup() as group:  # one that fails ends the others
                found = [group.create_task(look_at(number)) for number in numbers]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return {number: job for task in found for number, job in task.result().items()}

    async def _job(self, number: str, account: str | None) -> Mapping[str, JobFacts]:
        try:
            return _understood(read_jobs, await self._client.get("job", number, account=account))
        except RestError as error:
            if UNKNOWN_JOB in error.numbers:
                return {}
            raise

    async def _all_jobs(self, account: str | None) -> Mapping[str, JobFacts]:
        return _understood(read_jobs, await self._client.get("jobs", account=account))

    async def _partitions(self) -> dict[str, Any]:
        return await self._client.get("partitions", account=self._hub)

    async def waiting_jobs(self) -> Mapping[str, JobFacts]:
        """From the list of all."""
        jobs = await self._all_jobs(self._hub)
        return {number: job for number, job in jobs.items() if job.state in PENDING_STATES}

    async def resources(self) -> Resources:
        """From the nodes, and the partitions that they say they are in."""
        nodes, partitions = await self._client.get("nodes", account=self._hub), await self._partitions()
        return _understood(read_partitions, nodes, partitions, self._log)

    async def rules(self) -> Mapping[str, Rules]:
        """From the partitions."""
        return _understood(read_rules, await self._partitions())

    async def associations(self) -> Mapping[str, tuple[Association, ...]]:
        """From the accounting database, where slurmrestd offers it."""
        try:
            answer = await self._client.get_accounting("associations", account=self._hub)
        except RestError as error:
            if NOTHING_FOUND in error.numbers:
                return {}
            raise
        return {} if answer is None else _understood(read_associations, answer)

    async def submit(self, script: str, environment: Mapping[str, str]) -> str:
        """Hand the script in as `account`."""
        body = job_description(script, environment, await self._client.version())
        number = await self._client.post("job", "submit", account=self._account, body=body, result="job_id")
        return str(number)

    async def cancel(self, number: str) -> None:
        """End the job as `account`."""
        try:
            await self._client.delete("job", number, account=self._account)
        except RestError as error:
            if not {UNKNOWN_JOB, ENDED_JOB}.intersection(error.numbers):
                raise

    async def state_and_host(self, number: str) -> str:
        """Look at the job as `account`."""
        job = (await self._job(number, self._account)).get(number)
        return f"{job.state} {job.host}" if job else ""

    async def jobs_named(self, name: str) -> list[JobFacts]:
        """From the list of all that `account` may see."""
        jobs = await self._all_jobs(self._account)
        return [job for job in jobs.values() if job.name == name]
