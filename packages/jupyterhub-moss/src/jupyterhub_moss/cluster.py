"""What the spawner knows of the cluster: asked once for all users, kept, and used on when Slurm is silent."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from collections.abc import Callable as Function
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from traitlets import Bool, Callable, Dict, Float, Integer, Unicode, default

from jupyterhub_moss.access import (
    Association,
    Person,
    Rules,
    accounts_of,
    capped,
    narrowed,
    permits,
    permitted,
    system_groups,
)
from jupyterhub_moss.backend_choice import BackendSpawner
from jupyterhub_moss.command_backend import INFO_CMD
from jupyterhub_moss.errors import InvalidOptionsError
from jupyterhub_moss.facts import Answer, Conclusions, Facts, Resources, shared_access, shared_facts
from jupyterhub_moss.models import UserOptions
from jupyterhub_moss.partitions import Partition, complete_partitions
from jupyterhub_moss.sinfo import read_partitions

_ACCOUNTS_CMD = "sacctmgr --noheader --parsable2 show associations format=user,account,partition,qos"

#: What the same rights make of the same answer, for all who have them.
_shared_partitions: Conclusions[Mapping[str, Partition]] = Conclusions()

T = TypeVar("T")
Ask: TypeAlias = Function[[], Awaitable[T]]


class ClusterSpawner(BackendSpawner):
    """A spawner that knows Slurm's partitions and their nodes."""

    if TYPE_CHECKING:
        log: Any

    partitions = Dict(
        key_trait=Unicode(),
        value_trait=Dict(
            key_trait=Unicode(),
            per_key_traits={
                "architecture": Unicode(),
                "description": Unicode(),
                "gpu": Unicode(allow_none=True),
                "simple": Bool(),
                "jupyter_environments": Dict(),
                "max_ngpus": Integer(allow_none=True),
                "max_nprocs": Integer(allow_none=True),
                "max_runtime": Integer(allow_none=True),
            },
        ),
        help="Partitions that users can choose, by name; see `jupyterhub_moss.models.PartitionConfig`.",
    ).tag(config=True)

    slurm_info_cmd = Unicode(
        INFO_CMD,
        help="""Command whose output tells the resources of the partitions; see `slurm_info_resources`. In place of the
        default, sinfo is asked for the same with a line for each kind of node and the GPUs in use.""",
    ).tag(config=True)

    slurm_info_resources = Callable(
        help="Function from the output of `slurm_info_cmd` to a dict of partition name and `PartitionResources`."
    ).tag(config=True)

    slurm_info_max_age = Float(
        10, min=0, help="Seconds for which what Slurm said about its partitions is used again without asking."
    ).tag(config=True)

    slurm_access_cmd = Unicode(
        "scontrol -a -o show partition",
        help="""Command that tells who may use a partition, so that nobody is shown what Slurm would refuse; empty to
        show all. Not used with another `slurm_info_cmd`.""",
    ).tag(config=True)

    slurm_accounts_cmd = Unicode(
        _ACCOUNTS_CMD,
        help="""Command of the hub's own account that prints user|account|partition|qos lines: what users can
        choose, and which partitions are theirs; empty to leave that to Slurm. slurmrestd is asked in its place.""",
    ).tag(config=True)

    slurm_access_max_age = Float(
        60, min=0, help="Seconds for which rules, groups and accounts are used again without asking."
    ).tag(config=True)

    @default("slurm_info_resources")
    def _default_slurm_info_resources(self) -> Any:
        return self._slurm_info_resources

    def _slurm_info_resources(self, slurm_info: str) -> Resources:
        return read_partitions(slurm_info, self.log)

    @property
    def reads_slurm_info_itself(self) -> bool:
        """Whether `slurm_info_resources` is this package's."""
        return getattr(self.slurm_info_resources, "__func__", None) is ClusterSpawner._slurm_info_resources

    async def _facts(self) -> Facts:
        slurm = self.slurm
        facts = await shared_facts.get(slurm.partitions_key, slurm.resources, max_age=self.slurm_info_max_age)
        if facts.error:
            self.log.error("Slurm's partitions could not be read: %s", facts.error)
        return facts

    # Who may use what

    async def _seldom(self, key: tuple[object, ...], ask: Ask[T], *, patient: bool = True) -> T | None:
        """The answer to a question about what changes seldom; None while it is not known."""

        async def asked() -> T:
            # said once for each time that Slurm is asked, not for each visitor who is served by the answer
            try:
                return await ask()
            except Exception as error:
                self.log.info("Not known, and left to Slurm: %s: %s", key[0], error)
                raise

        answer: Answer[T] = await shared_access.get(key, asked, max_age=self.slurm_access_max_age, patient=patient)
        return answer.value

    async def _rules(self) -> Mapping[str, Rules]:
        slurm = self.slurm
        return await self._seldom(("rules of partitions", *slurm.partitions_key), slurm.rules) or {}

    async def _associations(self, owner: str | None, *, patient: bool = True) -> tuple[Association, ...] | None:
        if owner is None or not self.slurm_accounts_cmd:
            return None
        slurm = self.slurm
        key = ("accounts of users", *slurm.partitions_key)
        return (await self._seldom(key, slurm.associations, patient=patient) or {}).get(owner)

    async def accounts(self) -> dict[str, list[str]]:
        """The accounts under which the user may submit jobs, with their QOS; empty while they are not known."""
        # the page does not wait for a database that is slow: without it, Slurm takes the user's defaults
        return accounts_of(await self._associations(self.job_owner(), patient=False) or ())

    async def check_account(self, options: UserOptions) -> None:
        """Refuse an account or QOS that is not the user's, or with which the partition cannot be used."""
        if not (options.account or options.qos):
            return
        associations = await self._associations(self.job_owner())
        if associations is None:
            raise InvalidOptionsError(["account: which accounts and QOS are yours is not known; leave them to Slurm"])
        name = options.partition
        mine = narrowed(associations, name, account=options.account, qos=options.qos)
        if not mine or not permits(name, (await self._rules()).get(name, Rules()), Person(associations=mine)):
            chosen = [
                f"{field} {value!r}" for field, value in (("account", options.account), ("QOS", options.qos)) if value
            ]
            yours = "; ".join(f"{account} ({', '.join(qos)})" for account, qos in accounts_of(associations).items())
            raise InvalidOptionsError(
                [f"account: {' with '.join(chosen)} cannot be used on partition {name!r}; yours are: {yours or 'none'}"]
            )

    async def _person(self, rules: Iterable[Rules]) -> Person:
        """What is known of this user, as far as these rules ask for it."""
        rules = list(rules)
        owner = self.job_owner()
        if owner is None:
            return Person()
        by_group = any(rule.groups is not None for rule in rules)
        by_account = any(rule.about_accounts for rule in rules)
        groups = await self._groups(owner) if by_group else None
        return Person(groups, await self._associations(owner) if by_account else None, owner == "root")

    async def _groups(self, owner: str) -> frozenset[str] | None:
        async def ask() -> frozenset[str] | None:
            # a directory service may take its time
            return await asyncio.to_thread(system_groups, owner)

        return await self._seldom(("groups of a user", owner), ask)

    async def _available(self) -> tuple[Mapping[str, Partition], Facts]:
        """The partitions that this user can choose, and what Slurm said of all."""
        facts, rules = await asyncio.gather(self._facts(), self._rules())
        mine = {name: rules[name] for name in self.partitions if name in rules}
        allowed = permitted(self.partitions, mine, await self._person(mine.values()))
        configured = {name: self.partitions[name] for name in allowed}

        def complete() -> Mapping[str, Partition]:
            resources = {
                name: capped(found, mine.get(name, Rules()))
                for name, found in facts.resources.items()
                if name in allowed
            }
            return complete_partitions(configured, facts._replace(resources=resources))

        return _shared_partitions.get(facts.resources, (configured, mine), complete), facts

    def _missing(self, facts: Facts) -> list[str]:
        """Configured partitions that Slurm does not have; not those that it keeps from this user."""
        return [name for name in self.partitions if facts.known and name not in facts.resources]
