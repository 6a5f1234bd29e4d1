"""Which way to Slurm a spawner takes."""

from jupyterhub_moss.account import AccountSpawner
from jupyterhub_moss.backend import Backend
from jupyterhub_moss.command_backend import CommandBackend


class BackendSpawner(AccountSpawner):
    """A spawner that can ask Slurm."""

    @property
    def slurm(self) -> Backend:
        """The way to Slurm that the configuration chose."""
        return CommandBackend(self)
