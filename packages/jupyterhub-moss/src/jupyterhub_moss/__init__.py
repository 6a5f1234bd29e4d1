"""JupyterHub on Slurm with a spawn page people understand."""

from importlib.metadata import version as _version
from typing import Any

from tornado.web import StaticFileHandler

from jupyterhub_moss.files import local_path
from jupyterhub_moss.spawner import MOSlurmSpawner

__all__ = ["STATIC_FORM_PATH", "STATIC_FORM_REGEX", "MOSlurmSpawner", "set_config", "version"]

version = _version("pentad-jupyterhub-moss")

STATIC_FORM_REGEX = r"/form/(.*)"
STATIC_FORM_PATH = local_path("form")


def set_config(c: Any) -> None:
    """Make `MOSlurmSpawner` the hub's spawner and serve the form's style sheet and script.

    `c` is the object that ``get_config()`` returns. `c.JupyterHub.extra_handlers` is assigned: handlers of
    your own are appended after this call.
    """
    c.JupyterHub.extra_handlers = [(STATIC_FORM_REGEX, StaticFileHandler, {"path": STATIC_FORM_PATH})]
    c.JupyterHub.spawner_class = MOSlurmSpawner
