"""The portal's spawner: the Slurm spawner, for people who have no account on this system.

Where everybody has a system account this file is not needed; `MOSlurmSpawner` is used as it is.
"""

import os
from pathlib import Path
from typing import Any

from jupyterhub_moss import MOSlurmSpawner
from traitlets import Unicode, default


class PortalSpawner(MOSlurmSpawner):
    """Gives each visitor a folder below `notebooks_folder` as home."""

    notebooks_folder = Unicode(help="Folder that holds one home for each visitor.").tag(config=True)

    @default("req_homedir")
    def _home(self) -> str:
        """The visitor's home, made on the first visit; JupyterHub has checked the name."""
        home = Path(self.notebooks_folder) / self.user.name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(home)

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """HOME and USER of the visitor instead of a system account's."""
        return env | {"USER": self.user.name, "HOME": self.req_homedir, "SHELL": os.environ.get("SHELL", "/bin/sh")}

    def get_env(self) -> dict[str, Any]:
        """The job's environment, without anything of the portal's own."""
        environment: dict[str, Any] = super().get_env()
        return {name: value for name, value in environment.items() if not name.startswith(("PORTAL_", "NOTEBOOK_HUB_"))}
