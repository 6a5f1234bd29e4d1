"""The account that a user's jobs run as."""

import os
import pwd
import re
from functools import cache
from typing import Any

from batchspawner import SlurmSpawner  # type: ignore[import-untyped]
from traitlets import Unicode, default

from jupyterhub_moss.errors import SpawnRefused

_USERNAME = re.compile(r"\{+\s*username\s*\}+")


@cache
def own_account() -> str:
    """The account that the hub runs as."""
    return pwd.getpwuid(os.getuid()).pw_name


class AccountSpawner(SlurmSpawner):  # type: ignore[misc]  # batchspawner is untyped
    """A Slurm spawner that also serves users without an account here, where jobs run as the hub itself."""

    req_homedir = Unicode(
        help="Folder in which jobs start and which is their HOME; the default is the home of the user's account."
    ).tag(config=True)

    def _account(self) -> pwd.struct_passwd:
        try:
            return pwd.getpwnam(self.user.name)
        except KeyError:
            if not self.exec_prefix.strip():  # commands run as the hub's own account
                return pwd.getpwuid(os.getuid())
            message = f"The user {self.user.name!r} has no account on the hub's machine; ask your administrator"
            raise SpawnRefused(message, status_code=403) from None

    @default("req_homedir")
    def _account_home(self) -> str:
        return self._account().pw_dir

    def job_owner(self) -> str | None:
        """The account that Slurm shows as the owner of this user's jobs; None if the configuration does not tell it."""
        if not self.exec_prefix.strip():
            return own_account()
        return self.req_username if _USERNAME.search(self.exec_prefix) else None

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add USER, HOME and SHELL."""
        return {**env, "USER": self.user.name, "HOME": self.req_homedir, "SHELL": self._account().pw_shell or "/bin/sh"}

    def command_env(self) -> dict[str, str]:
        """The environment of a command in the user's name: without the keys of hub and server."""
        env: dict[str, Any] = self.get_env()
        kept = {name: value for name, value in env.items() if not name.startswith(("JUPYTERHUB_", "JPY_"))}
        # which cluster is asked is no secret, unlike SLURM_JWT
        cluster = {"SLURM_CONF": os.environ["SLURM_CONF"]} if "SLURM_CONF" in os.environ else {}
        return {**cluster, **kept}
