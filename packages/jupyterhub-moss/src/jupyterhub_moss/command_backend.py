"""Slurm through its commands: sbatch, squeue, scancel, sinfo, scontrol and sacctmgr."""

import asyncio
import os
import shlex
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from batchspawner import SlurmSpawner, format_template  # type: ignore[import-untyped]

from jupyterhub_moss.access import Association, Rules, read_associations, read_rules
from jupyterhub_moss.commands import CommandError, run
from jupyterhub_moss.facts import Resources
from jupyterhub_moss.jobs import JOB_FORMAT, JobFacts, read_jobs

INFO_CMD = "sinfo -a --noheader -o '%R %F %c %C %G %m %l'"
# the same, with a line for each kind of node, and at its end what jobs have of its GRES and its state
INFO_IN_FULL = (
    "sinfo -a --noheader --exact -O 'PartitionName: ,NodeAIOT: ,CPUs: ,CPUsState: ,Gres: ,Memory: ,Time: ,"
    "GresUsed: ,StateLong: '"
)

QUEUE_CMD = "squeue"

# squeue gives up after twice its MessageTimeout, 20 s by default; what takes longer hangs
_COMMAND_SECONDS = 60.0
# a longer list of ids does not fit on a command line; the question is then for all jobs
_LONGEST_LIST = 10_000


class CommandBackend:
    """Runs commands as a `MOSlurmSpawner` is configured to: with its `exec_prefix` in the user's name."""

    def __init__(self, spawner: Any) -> None:
        self._spawner = spawner

    @property
    def key(self) -> Hashable:
        """The hub's squeue."""
        return str(self._spawner.queue_cmd)

    @property
    def partitions_key(self) -> tuple[Hashable, ...]:
        """The commands, and what reads their output."""
        spawner = self._spawner
        command = spawner.slurm_info_cmd
        if "{" in command or "}" in command:  # to ask for all variables takes longer than to render a part of a page
            command = format_template(command, **spawner.get_req_subvars())
        parser = getattr(spawner.slurm_info_resources, "__func__", spawner.slurm_info_resources)
        return (spawner.exec_prefix, command, parser, spawner.slurm_access_cmd, spawner.slurm_accounts_cmd)

    @property
    def shares_questions(self) -> bool:
        """Not for another `batch_query_cmd`, nor for an `exec_prefix` that goes to another machine."""
        if self.custom_query:
            return False
        prefix = self._spawner.exec_prefix.split()
        here = not prefix or Path(prefix[0]).name == "sudo"
        return here or self._spawner.queue_cmd != QUEUE_CMD

    @property
    def custom_query(self) -> bool:
        """Another `batch_query_cmd` than batchspawner's."""
        return bool(self._spawner.batch_query_cmd != SlurmSpawner.batch_query_cmd.default_value)

    def may_pass(self, error: Exception) -> bool:
        """Not where a program is missing, nor for a cancel command of which nothing is known."""
        return not (self._custom_cancel or (isinstance(error, CommandError) and error.not_run))

    @property
    def _custom_cancel(self) -> bool:
        return bool(self._spawner.batch_cancel_cmd != SlurmSpawner.batch_cancel_cmd.default_value)

    def in_users_name(self, command: str) -> str:
        """The command behind `exec_prefix`."""
        spawner = self._spawner
        return f"{format_template(spawner.exec_prefix, **spawner.get_req_subvars())} {command}"

    def _formatted(self, command: str, **variables: str) -> str:
        return str(format_template(command, **self._spawner.get_req_subvars(), **variables))

    async def _run_as_hub(self, command: str) -> str:
        return await asyncio.wait_for(run(command, given=None, env=os.environ), _COMMAND_SECONDS)

    async def jobs(self, numbers: Sequence[str]) -> Mapping[str, JobFacts]:
        """One squeue for all."""
        # -t all: jobs that have ended are told apart from jobs that this account may not see
        some = f" -j {','.join(numbers)}" if len(numbers) <= _LONGEST_LIST else ""
        command = f"{self._spawner.queue_cmd} -h -a -t all -o {JOB_FORMAT}{some}"
        try:
            output = await self._run_as_hub(command)
        except CommandError as error:
            if "Invalid job id" in str(error):  # what squeue says of one id, and only of one, that it does not know
                return {}
            raise
        return read_jobs(output)

    async def waiting_jobs(self) -> Mapping[str, JobFacts]:
        """One squeue for the whole queue."""
        return read_jobs(await self._run_as_hub(f"{self._spawner.queue_cmd} -h -a -t PENDING -o {JOB_FORMAT}"))

    async def _ask(self, command: str) -> str:
        """The output of a command, run in the user's name."""
        spawner = self._spawner
        output: str = await spawner.run_command(self.in_users_name(self._formatted(command)), env=spawner.command_env())
        return output

    async def resources(self) -> Resources:
        """What `slurm_info_cmd` prints, read by `slurm_info_resources`."""
        spawner = self._spawner
        command = spawner.slurm_info_cmd
        if command == INFO_CMD:
            # a function of the site's own knows the fields of the command alone
            command = INFO_IN_FULL if spawner.reads_slurm_info_itself else f"{INFO_CMD} --exact"
        resources: Resources = spawner.slurm_info_resources(await self._ask(command))
        return resources

    async def rules(self) -> Mapping[str, Rules]:
        """What `slurm_access_cmd` prints."""
        command = self._spawner.slurm_access_cmd
        # another slurm_info_cmd tells of partitions that need not be Slurm's
        if not command or self._spawner.slurm_info_cmd != INFO_CMD:
            return {}
        return read_rules(await self._ask(command))

    async def associations(self) -> Mapping[str, tuple[Association, ...]]:
        """What `slurm_accounts_cmd` prints, run as the hub's own account."""
        spawner = self._spawner
        if not spawner.slurm_accounts_cmd:
            return {}
        return read_associations(await spawner.run_command(spawner.slurm_accounts_cmd, env=spawner.command_env()))

    async def submit(self, script: str, environment: Mapping[str, str]) -> str:
        """Give the script to `batch_submit_cmd`."""
        spawner = self._spawner
        command = self.in_users_name(self._formatted(spawner.batch_submit_cmd))
        return str(spawner.parse_job_id(await spawner.run_command(command, input=script, env=environment)))

    async def cancel(self, number: str) -> None:
        """Run `batch_cancel_cmd`; a scancel that hangs is killed and has failed."""
        command = self.in_users_name(self._formatted(self._spawner.batch_cancel_cmd, job_id=number))
        # a site's own command may take as long as it likes
        limit = None if self._custom_cancel else _COMMAND_SECONDS
        try:
            await asyncio.wait_for(self._spawner.run_command(command), limit)
        except TimeoutError:
            raise RuntimeError(f"{command!r} had not ended after {limit:g} seconds and was killed") from None

    async def state_and_host(self, number: str) -> str:
        """Run `batch_query_cmd`."""
        command = self.in_users_name(self._formatted(self._spawner.batch_query_cmd, job_id=shlex.quote(number)))
        try:
            return str(await asyncio.wait_for(self._spawner.run_command(command), _COMMAND_SECONDS))
        except RuntimeError as error:
            if "Invalid job id" in str(error):
                return ""
            raise

    async def jobs_named(self, name: str) -> list[JobFacts]:
        """Ask squeue."""
        command = self.in_users_name(f"squeue -h -a -t all --name={shlex.quote(name)} -o {JOB_FORMAT}")
        return list(read_jobs(await self._spawner.run_command(command)).values())
