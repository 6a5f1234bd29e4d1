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
    """Make `MOSlurmSpawner` the hub's spawner, serve the form's assets, and show how long servers still have.

    `c` is the object that ``get_config()`` returns. `c.JupyterHub.extra_handlers` is assigned: handlers of
    your own are appended after this call.
    """
    c.JupyterHub.extra_handlers = [(STATIC_FORM_REGEX, StaticFileHandler, {"path": STATIC_FORM_PATH})]
    c.JupyterHub.spawner_class = MOSlurmSpawner
    _add_templates(c.JupyterHub.template_paths)


def _add_templates(template_paths: Any) -> None:
    """Put the home page before the hub's own and behind that of a site."""
    path = local_path("hub_templates")
    if isinstance(template_paths, list):
        template_paths.append(path)
    else:  # not configured yet: the value will be the hub's own folder
        template_paths.insert(0, path)
