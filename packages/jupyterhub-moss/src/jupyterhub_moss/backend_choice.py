"""Which way to Slurm a spawner takes: its commands, or slurmrestd."""

import pwd
from typing import TYPE_CHECKING, Any

from batchspawner import format_template  # type: ignore[import-untyped]
from traitlets import Bool, Float, Unicode, validate

from jupyterhub_moss.account import AccountSpawner
from jupyterhub_moss.backend import Backend
from jupyterhub_moss.command_backend import CommandBackend
from jupyterhub_moss.rest_backend import RestBackend
from jupyterhub_moss.rest_client import VERSIONS, RestClient, endpoint
from jupyterhub_moss.slurm_tokens import Credentials
from pentad_config import ConfigError, Problem, Secret
from pentad_config.traitlets import SecretTrait


class BackendSpawner(AccountSpawner):
    """A spawner that can ask Slurm."""

    if TYPE_CHECKING:
        log: Any

    slurm_rest_url = Unicode(
        help="""Address of slurmrestd, as https://slurm:6820 or unix:/run/slurmrestd.socket: it is asked in place of all
        commands, which are not run then. Empty for the commands."""
    ).tag(config=True)

    slurm_token = SecretTrait(
        help="""Token with which slurmrestd is asked (`scontrol token`), as file:/path, read again when it changes. That
        of root or SlurmUser serves all users; that of another account only jobs of its own: see `slurm_rest_user`."""
    ).tag(config=True)

    slurm_jwt_key = SecretTrait(
        help="""In place of `slurm_token`: the key of Slurm's `jwt_key`, as file:/path, with which the hub signs a token
        of five minutes for each request, in the name of the account that it is made for."""
    ).tag(config=True)

    slurm_rest_user = Unicode(
        "{username}", help="Account in whose name slurmrestd is asked to start, look at and end a user's job."
    ).tag(config=True)

    slurm_rest_hub_user = Unicode(
        help="""Account in whose name slurmrestd is asked about all jobs and partitions; if empty that of `slurm_token`,
        or the hub's own with `slurm_jwt_key`."""
    ).tag(config=True)

    slurm_rest_version = Unicode(
        help=f"""Version of slurmrestd's interface, as v0.0.40; if empty, the first that it has of
        {", ".join(VERSIONS)}."""
    ).tag(config=True)

    slurm_rest_timeout = Float(30, min=0.1, help="Seconds in which slurmrestd must answer a request.").tag(config=True)

    slurm_rest_ca = Unicode(
        help="File with the certificates of the authorities that sign slurmrestd's; empty for those of the system."
    ).tag(config=True)

    slurm_rest_unencrypted = Bool(
        default_value=False,
        help="Whether tokens may be sent over a network by http, where whoever listens can act as any user with them.",
    ).tag(config=True)

    @validate("slurm_rest_url")
    def _complete_address(self, proposal: Any) -> str:
        address = str(proposal["value"])
        if not address:
            return address
        if endpoint(address).is_open_to_listeners and not self.slurm_rest_unencrypted:
            problem = "would send tokens over the network in clear: use https, or set slurm_rest_unencrypted."
            raise ConfigError([Problem("c.MOSlurmSpawner.slurm_rest_url", problem)])
        if self.slurm_token is not None and self.slurm_jwt_key is not None:
            raise ConfigError([Problem("c.MOSlurmSpawner.slurm_token", "and slurm_jwt_key are both given; give one.")])
        return address

    @validate("slurm_jwt_key")
    def _binary_key(self, proposal: Any) -> Secret | None:
        key: Secret | None = proposal["value"]
        # the file's bytes are the key, a line break at its end too; they need not be text
        return key if key is None or key.ref is None else Secret.at(key.ref, name=key.name, binary=True)

    @property
    def slurm(self) -> Backend:
        """The way to Slurm that the configuration chose."""
        if not self.slurm_rest_url:
            return CommandBackend(self)
        where = endpoint(self.slurm_rest_url, self.slurm_rest_ca)
        client = RestClient(
            where,
            Credentials(self.slurm_token, self.slurm_jwt_key),
            self.log,
            version=self.slurm_rest_version,
            timeout=self.slurm_rest_timeout,
        )
        hub = self.slurm_rest_hub_user or None
        return RestBackend(client, self._rest_account(), hub, (where, hub), self.log)

    def _rest_account(self) -> str:
        return str(format_template(self.slurm_rest_user, username=self.req_username))

    def job_owner(self) -> str | None:
        """The account that Slurm shows as the owner of this user's jobs; None if the configuration does not tell it."""
        return self._rest_account() if self.slurm_rest_url else super().job_owner()

    def _account(self) -> pwd.struct_passwd:
        """The account of the jobs; with slurmrestd this machine need not know it."""
        if not self.slurm_rest_url:
            return super()._account()
        name = self._rest_account()
        try:
            return pwd.getpwnam(name)
        except KeyError:
            return pwd.struct_passwd((name, "x", -1, -1, "", f"/home/{name}", "/bin/bash"))
