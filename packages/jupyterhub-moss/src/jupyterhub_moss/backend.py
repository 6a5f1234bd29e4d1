"""How this package talks to Slurm: what it asks, whoever carries the question.

`CommandBackend` runs Slurm's commands, `RestBackend` asks slurmrestd. Every method may raise: then nothing is known,
and nobody takes that for an answer.
"""

from collections.abc import Hashable, Mapping
from collections.abc import Sequence as Numbers
from typing import Protocol

from jupyterhub_moss.access import Association, Rules
from jupyterhub_moss.facts import Resources
from jupyterhub_moss.jobs import JobFacts


class NoAnswerError(RuntimeError):
    """Nobody knows whether Slurm did what it was asked to do."""


class Backend(Protocol):
    """One spawner's way to Slurm: questions of the whole hub, and what is done in its user's name."""

    @property
    def key(self) -> Hashable:
        """The same for spawners whose questions about all jobs have the same answer."""

    @property
    def partitions_key(self) -> tuple[Hashable, ...]:
        """The same for spawners whose questions about partitions have the same answer."""

    @property
    def shares_questions(self) -> bool:
        """Whether one question about all servers' jobs covers this one's."""

    @property
    def custom_query(self) -> bool:
        """Whether the configuration brings a way of its own to look at a job, of which nothing else is known."""

    def may_pass(self, error: Exception) -> bool:
        """Whether what failed with this error may succeed when it is tried again."""

    def in_users_name(self, command: str) -> str | None:
        """The shell command that runs `command` as the user; None where the hub has no way to do that."""

    # as the hub

    async def jobs(self, numbers: Numbers[str]) -> Mapping[str, JobFacts]:
        """Those of these jobs that Slurm knows, ended ones too."""

    async def waiting_jobs(self) -> Mapping[str, JobFacts]:
        """All jobs that wait, of everybody."""

    async def resources(self) -> Resources:
        """What each partition has."""

    async def rules(self) -> Mapping[str, Rules]:
        """Who may use which partition, as far as Slurm tells."""

    async def associations(self) -> Mapping[str, tuple[Association, ...]]:
        """The accounts of each user; empty where that is left to Slurm."""

    # in the user's name

    async def submit(self, script: str, environment: Mapping[str, str]) -> str:
        """Hand in a job script; the new job's id."""

    async def cancel(self, number: str) -> None:
        """End a job; one that has ended is no error."""

    async def state_and_host(self, number: str) -> str:
        """A job's state and node, as ``RUNNING node1``; empty when Slurm does not know it."""

    async def jobs_named(self, name: str) -> list[JobFacts]:
        """Every job of this name that Slurm knows, ended ones too."""
