"""A spawner without a hub around it, for what concerns it and Slurm alone."""

import os
from types import SimpleNamespace

from jupyterhub_moss import MOSlurmSpawner
from jupyterhub_moss.polling import shared_pollers

HUB = SimpleNamespace(public_host="", api_url="http://127.0.0.1:8081/hub/api", base_url="/hub/")


def make_spawner(name="alice", *, settings=None, **traits):
    """A spawner of the user `name` that acts as the account of the tests; `settings` are the hub's."""
    user = SimpleNamespace(name=name, url=f"/user/{name}", settings={} if settings is None else settings)
    kept = [name for name in os.environ if name == "PATH" or name.startswith("MOCK_SLURM_")]
    return MOSlurmSpawner(user=user, hub=HUB, **{"exec_prefix": "", "env_keep": kept, **traits})


def forget_all():
    """Start without what another test learnt from its cluster."""
    shared_pollers.clear()
