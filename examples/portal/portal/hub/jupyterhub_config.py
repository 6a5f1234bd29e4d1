"""JupyterHub's configuration: users come from the front door, servers run as Slurm jobs."""

import os
import sys
from pathlib import Path

import jupyterhub_moss
from portal.hub.authenticator import PortalAuthenticator
from portal.hub.spawner import PortalSpawner
from portal.hub.visitors_server import VisitorsServer
from portal.notebook_profiles import PROFILES
from portal.settings import SESSION_SECONDS, shared_settings

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub defines it for this file

_portal = shared_settings()
_state = _portal.folder / "hub"
_state.mkdir(mode=0o700, exist_ok=True)
_programs = Path(sys.executable).parent

jupyterhub_moss.set_config(c)
c.JupyterHub.extra_handlers.append((r"/portal-server", VisitorsServer))
c.JupyterHub.spawner_class = PortalSpawner
c.JupyterHub.authenticator_class = PortalAuthenticator
c.Authenticator.allow_all = True  # everybody whom the front door signs in
c.Authenticator.auth_refresh_age = 5  # seconds until a sign-out elsewhere is noticed here

c.JupyterHub.bind_url = f"http://127.0.0.1:{os.environ['NOTEBOOK_HUB_PORT']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ['NOTEBOOK_HUB_API_PORT']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ['NOTEBOOK_HUB_PROXY_API_PORT']}"
# The proxy written in Python: it needs no Node. Its default time limit of 20 s would cut off long answers, such as
# the start of a server that waits in the queue.
c.ConfigurableHTTPProxy.command = [sys.executable, "-m", "portal.hub.proxy", "--proxy-timeout=0"]
c.ConfigurableHTTPProxy.pid_file = str(_state / "proxy.pid")
c.JupyterHub.cookie_secret_file = str(_state / "cookie_secret")
c.JupyterHub.cookie_max_age_days = SESSION_SECONDS / 86400  # no longer than the front door remembers anybody
c.JupyterHub.db_url = f"sqlite:///{_state / 'jupyterhub.sqlite'}"
c.JupyterHub.template_vars = {
    "announcement": f'Part of <a class="alert-link" href="{_portal.public_url}">Tern Point Data</a>. '
    "Stop your server when you are done."
}
c.JupyterHub.tornado_settings = {"cookie_options": {"samesite": "Lax", "secure": _portal.cookie_https_only}}

# Jobs run as this system user on this machine's mock cluster: no sudo in front, every node is 127.0.0.1.
c.MOSlurmSpawner.exec_prefix = ""
c.MOSlurmSpawner.state_exechost_exp = "127.0.0.1"
# What a job inherits from the hub: where programs are, and which cluster the mock Slurm's commands speak to.
c.MOSlurmSpawner.env_keep = ["PATH", "LANG", *(name for name in os.environ if name.startswith("MOCK_SLURM_"))]
c.MOSlurmSpawner.start_timeout = 120
c.MOSlurmSpawner.http_timeout = 120
c.MOSlurmSpawner.args = [
    "--LanguageServerManager.autodetect=False",  # looks for Node at every start
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",  # the portal asks nobody outside
    "--LabApp.news_url=None",
    # Jobs run as the one who started the demo; Jupyter asks for a word when that is root, as in a container.
    *(["--allow-root"] if os.geteuid() == 0 else []),
]
c.PortalSpawner.notebooks_folder = str(_portal.folder / "notebooks")
_environments = {
    "portal": {"description": "JupyterLab of the portal", "path": f"{_programs}/", "add_to_path": True},
}
c.MOSlurmSpawner.partitions = {
    "cpu": {"description": "Processors", "architecture": "x86-64", "jupyter_environments": _environments},
    "gpu": {"description": "Graphics cards", "architecture": "x86-64", "jupyter_environments": _environments},
}
c.MOSlurmSpawner.slurm_info_max_age = 5  # seconds, as for the front door's table
c.MOSlurmSpawner.profiles = PROFILES
# Members send each other links to what they chose: whoever opens one looks at the form and presses Start.
c.MOSlurmSpawner.link_spawn = "never"
if "MOCK_SLURM_ADDRESS" in os.environ:
    # The mock cluster has accounts and QOS, and no sacctmgr that would tell the hub of them.
    c.MOSlurmSpawner.slurm_accounts_cmd = 'echo "$(id -un)|physics||normal,small"'
