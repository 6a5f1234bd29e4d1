"""The portal's spawner: the Slurm spawner, for people who have no account on this system.

Where everybody has a system account this file is not needed; `MOSlurmSpawner` is used as it is.
"""

from pathlib import Path

from traitlets import Unicode, default

from jupyterhub_moss import MOSlurmSpawner


class PortalSpawner(MOSlurmSpawner):
    """Gives each visitor a folder below `notebooks_folder` as home."""

    notebooks_folder = Unicode(help="Folder that holds one home for each visitor.").tag(config=True)

    @default("req_homedir")
    def _home(self) -> str:
        """The visitor's home, made on the first visit; JupyterHub has checked the name."""
        home = Path(self.notebooks_folder) / self.user.name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(home)
