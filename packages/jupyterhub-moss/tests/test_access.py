"""Who may use which partition."""

import getpass

import pytest

from jupyterhub_moss.access import (
    Association,
    Person,
    Rules,
    capped,
    permits,
    read_associations,
    read_rules,
    system_groups,
)
from jupyterhub_moss.sinfo import read_partitions

PARTITIONS = """\
PartitionName=open AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Hidden=NO MaxCPUsPerNode=UNLIMITED
PartitionName=vip AllowGroups=slurmvip,staff DenyAccounts=guests DenyQos=low Hidden=YES MaxCPUsPerNode=4 MaxMemPerNode=8000
PartitionName=paid AllowGroups=ALL AllowAccounts=physics AllowQos=normal,high Hidden=NO
"""
PHYSICS = Association("physics", "", frozenset({"normal"}))


def test_the_rules_of_each_partition_are_read():
    """Lists of groups, accounts and QOS are sets; ALL, UNLIMITED and what is not there make no difference."""
    rules = read_rules(PARTITIONS)
    assert rules["open"] == Rules()
    assert rules["vip"] == Rules(
        frozenset({"slurmvip", "staff"}), None, frozenset({"guests"}), None, frozenset({"low"}), 4, 8000
    )
    assert rules["paid"] == Rules(accounts=frozenset({"physics"}), qos=frozenset({"normal", "high"}))


def test_associations_are_read_by_user():
    """Each line is one account of one user; lines of accounts without a user are none."""
    read = read_associations("|root||\nalice|physics||normal,small\nalice|chem|gpu|\n")
    chem = Association("chem", "gpu", frozenset())
    assert read == {"alice": (Association("physics", "", frozenset({"normal", "small"})), chem)}


@pytest.mark.parametrize(
    ("person", "allowed"),
    [
        (Person(groups=frozenset({"staff", "x"})), True),
        (Person(groups=frozenset({"x"})), False),
        (Person(groups=frozenset(), is_root=True), True),
        (Person(), True),
    ],
)
def test_a_partition_for_groups_is_for_their_members(person, allowed):
    """Members and root may use it; who is not known is left to Slurm."""
    assert permits("p", Rules(groups=frozenset({"staff"})), person) is allowed


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        (Rules(accounts=frozenset({"physics"})), True),
        (Rules(accounts=frozenset({"chem"})), False),
        (Rules(denied_accounts=frozenset({"physics"})), False),
        (Rules(qos=frozenset({"normal", "high"})), True),
        (Rules(qos=frozenset({"high"})), False),
        (Rules(denied_qos=frozenset({"normal"})), False),
        (Rules(denied_qos=frozenset({"high"})), True),
    ],
)
def test_a_partition_for_accounts_or_qos_is_for_who_has_one(rules, allowed):
    """One association with an allowed account and QOS is enough; without known associations nothing is refused."""
    assert permits("p", rules, Person(associations=(PHYSICS,))) is allowed
    assert permits("p", rules, Person())


def test_an_association_for_one_partition_is_for_no_other():
    """An association may name the only partition that it is for."""
    person = Person(associations=(PHYSICS._replace(partition="gpu"),))
    rules = Rules(accounts=frozenset({"physics"}))
    assert permits("gpu", rules, person)
    assert not permits("cpu", rules, person)


def test_a_partitions_own_limits_for_a_node_hold():
    """MaxCPUsPerNode and MaxMemPerNode are less than what the node has."""
    found = read_partitions("vip 0/1/0/1 16 0/16/0/16 (null) 32000 4:00:00", None)["vip"]
    limited = capped(found, read_rules(PARTITIONS)["vip"])
    assert (limited.max_nprocs, limited.max_mem) == (4, 8000)
    assert [(node.cpus, node.memory) for node in limited.node_types] == [(4, 8000)]


def test_groups_are_those_of_this_machine():
    """A known account has its groups; an unknown one has none that are known."""
    assert system_groups(getpass.getuser())
    assert system_groups("nobody-of-this-name") is None
