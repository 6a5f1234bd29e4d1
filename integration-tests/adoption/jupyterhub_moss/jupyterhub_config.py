"""A small cluster's hub. What its machine decides comes from the environment."""

import os
from pathlib import Path

import batchspawner  # noqa: F401  # registers the handler to which jobs report their port

import jupyterhub_moss

c = get_config()  # noqa: F821
jupyterhub_moss.set_config(c)

bin_dir = os.environ["SITE_BIN"]
c.JupyterHub.bind_url = f"http://127.0.0.1:{os.environ['SITE_PORT']}/"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ['SITE_HUB_PORT']}/"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ['SITE_PROXY_PORT']}"
c.ConfigurableHTTPProxy.command = [f"{bin_dir}/configurable-http-proxy", "--proxy-timeout=0"]
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.services = [{"name": "site", "api_token": os.environ["SITE_TOKEN"]}]
c.JupyterHub.load_roles = [
    {"name": "site", "services": ["site"], "scopes": ["admin:users", "admin:servers", "access:servers"]}
]
# servers outlive the hub, also while its packages are exchanged
c.JupyterHub.cleanup_servers = False

c.MOSlurmSpawner.exec_prefix = ""
c.MOSlurmSpawner.req_homedir = str(Path.cwd())
c.MOSlurmSpawner.state_exechost_exp = "127.0.0.1"
c.MOSlurmSpawner.env_keep = ["PATH", "LANG", *(name for name in os.environ if name.startswith("MOCK_SLURM_"))]
c.MOSlurmSpawner.environment = {"JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp"}
c.MOSlurmSpawner.ip = "127.0.0.1"
c.MOSlurmSpawner.args = ["--allow-root"]
c.MOSlurmSpawner.start_timeout = 300
c.MOSlurmSpawner.http_timeout = 300
c.MOSlurmSpawner.poll_interval = 2
c.MOSlurmSpawner.partitions = {
    "cpu": {
        "description": "Nodes with CPUs",
        "architecture": "x86_64",
        "jupyter_environments": {"default": {"description": "Python", "path": bin_dir}},
    },
}
