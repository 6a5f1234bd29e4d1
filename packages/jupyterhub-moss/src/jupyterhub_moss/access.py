"""Who may use a partition: what `scontrol show partition` and `sacctmgr show associations` say about it.

What is not known is not held against anybody: Slurm decides when the job is submitted, and says so.
"""

import grp
import os
import pwd
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jupyterhub_moss.models import PartitionNodes, PartitionResources
from jupyterhub_moss.nodes import NodeType

_PAIR = re.compile(r"(\w+)=(\S*)")
_ANYBODY = frozenset({"ALL", "(null)", "N/A", ""})


class Rules(NamedTuple):
    """What a partition allows; None where it makes no difference."""

    groups: frozenset[str] | None = None
    accounts: frozenset[str] | None = None
    denied_accounts: frozenset[str] = frozenset()
    qos: frozenset[str] | None = None
    denied_qos: frozenset[str] = frozenset()
    max_cpus: int | None = None
    """CPUs of one node that jobs of this partition may have together."""
    max_memory: int | None = None
    """Megabytes of one node that a job may have."""

    @property
    def about_accounts(self) -> bool:
        """Whether a user's associations decide."""
        return bool(self.accounts is not None or self.qos is not None or self.denied_accounts or self.denied_qos)


class Association(NamedTuple):
    """An account under which a user may submit jobs; `partition` is empty where that holds for all."""

    account: str
    partition: str
    qos: frozenset[str]


class Person(NamedTuple):
    """What decides for one user; None where it is not known."""

    groups: frozenset[str] | None = None
    associations: tuple[Association, ...] | None = None
    is_root: bool = False


def _names(text: str) -> frozenset[str] | None:
    return None if text in _ANYBODY else frozenset(text.split(","))


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def read_rules(output: str) -> dict[str, Rules]:
    """The rules of each partition in the output of ``scontrol -a -o show partition``."""
    found = {}
    for line in output.splitlines():
        pairs = dict(_PAIR.findall(line))
        if "PartitionName" in pairs:
            found[pairs["PartitionName"]] = Rules(
                _names(pairs.get("AllowGroups", "")),
                _names(pairs.get("AllowAccounts", "")),
                _names(pairs.get("DenyAccounts", "")) or frozenset(),
                _names(pairs.get("AllowQos", "")),
                _names(pairs.get("DenyQos", "")) or frozenset(),
                _number(pairs.get("MaxCPUsPerNode", "")),
                _number(pairs.get("MaxMemPerNode", "")),
            )
    return found


def read_associations(output: str) -> dict[str, tuple[Association, ...]]:
    """The associations of each user in lines of ``user|account|partition|qos,qos``."""
    found: dict[str, tuple[Association, ...]] = {}
    for line in output.splitlines():
        user, account, partition, qos = [*line.split("|"), "", "", ""][:4]
        if user:
            found[user] = (
                *found.get(user, ()),
                Association(account, partition, frozenset(filter(None, qos.split(",")))),
            )
    return found


def system_groups(account: str) -> frozenset[str] | None:
    """The groups that this machine knows an account to be in; None for an account that it does not know."""
    try:
        entry = pwd.getpwnam(account)
    except KeyError:
        return None
    return frozenset(_group_name(number) for number in os.getgrouplist(account, entry.pw_gid))


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def permits(name: str, rules: Rules, person: Person) -> bool:
    """Whether a user may submit to the partition `name`."""
    return _group_permits(rules, person) and _association_permits(name, rules, person.associations)


def _group_permits(rules: Rules, person: Person) -> bool:
    return rules.groups is None or person.groups is None or person.is_root or bool(rules.groups & person.groups)


def _association_permits(name: str, rules: Rules, associations: Iterable[Association] | None) -> bool:
    if not rules.about_accounts or associations is None:
        return True
    return any(
        each.partition in {"", name}
        and (rules.accounts is None or each.account in rules.accounts)
        and each.account not in rules.denied_accounts
        and (rules.qos is None or bool(rules.qos & each.qos))
        and not (each.qos and each.qos <= rules.denied_qos)
        for each in associations
    )


def narrowed(associations: Iterable[Association], partition: str, *, account: str, qos: str) -> tuple[Association, ...]:
    """The associations under which a job of this partition, account and QOS may run; empty texts are any."""
    return tuple(
        each._replace(qos=frozenset({qos})) if qos else each
        for each in associations
        if each.partition in {"", partition} and account in {"", each.account} and (not qos or qos in each.qos)
    )


def accounts_of(associations: Iterable[Association]) -> dict[str, list[str]]:
    """Each account with its QOS, in the order of their names."""
    found: dict[str, set[str]] = {}
    for each in associations:
        found.setdefault(each.account, set()).update(each.qos)
    return {account: sorted(found[account]) for account in sorted(found)}


def capped(resources: PartitionResources, rules: Rules) -> PartitionResources:
    """The resources under the partition's own limits for one node."""
    if not isinstance(resources, PartitionNodes) or (rules.max_cpus is None and rules.max_memory is None):
        return resources
    kinds = tuple(_capped_node(node, rules) for node in resources.node_types)
    largest = {"max_nprocs": max(node.cpus for node in kinds), "max_mem": max(node.memory for node in kinds)}
    return resources.model_copy(update={**largest, "node_types": kinds})


def _capped_node(node: NodeType, rules: Rules) -> NodeType:
    return node._replace(
        cpus=min(node.cpus, rules.max_cpus or node.cpus), memory=min(node.memory, rules.max_memory or node.memory)
    )


def permitted(names: Iterable[str], rules: Mapping[str, Rules], person: Person) -> list[str]:
    """Of these partitions, those that a user may use."""
    return [name for name in names if permits(name, rules.get(name, Rules()), person)]
