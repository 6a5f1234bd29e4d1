"""Who calls: the user a command runs for, and what that user may do."""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd

from .config import ClusterConfig

__all__ = ["Caller", "identify", "is_known"]


@dataclasses.dataclass(frozen=True)
class Caller:
    """The user behind one command. `run_as` is the account a job gets when it is not the controller's own."""

    name: str
    uid: int
    gid: int
    groups: tuple[str, ...]
    operator: bool = False
    run_as: tuple[int, int] | None = None

    @property
    def is_root(self) -> bool:
        """Whether this is the superuser."""
        return self.uid == 0

    @property
    def privileged(self) -> bool:
        """Whether other people's jobs, nodes and partitions may be changed."""
        return self.is_root or self.operator


def identify(uid: int, gid: int, override: str, config: ClusterConfig) -> Caller:
    """The caller with this system identity; `override` is MOCK_SLURM_USER.

    The override is honoured for the controller's own user and for root: they could act as anybody here anyway.
    """
    trusted = uid in {0, os.getuid()}
    if override and trusted:
        return _named(override, uid, gid, config)
    name = _user_name(uid)
    run_as = (uid, gid) if os.getuid() == 0 and uid != 0 else None
    spec = config.user(name)
    groups = spec.groups if spec.groups is not None else _system_groups(name, gid)
    return Caller(name, uid, gid, groups, spec.operator, run_as)


def _named(name: str, uid: int, gid: int, config: ClusterConfig) -> Caller:
    spec = config.user(name)
    try:
        account: pwd.struct_passwd | None = pwd.getpwnam(name)
    except KeyError:
        account = None
    if account is not None:
        uid, gid = account.pw_uid, account.pw_gid
    if spec.uid is not None:
        uid = gid = spec.uid
    groups = spec.groups if spec.groups is not None else _system_groups(name, gid)
    return Caller(name, uid, gid, groups, spec.operator)


def is_known(name: str, config: ClusterConfig) -> bool:
    """Whether a user of this name exists, for Slurm or on the system."""
    try:
        return name in config.users or bool(pwd.getpwnam(name))
    except KeyError:
        return False


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _system_groups(name: str, gid: int) -> tuple[str, ...]:
    names = []
    for number in {gid, *os.getgrouplist(name, gid)}:
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            names.append(str(number))
    return tuple(names)
