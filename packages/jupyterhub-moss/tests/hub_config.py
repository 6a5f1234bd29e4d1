"""The configuration of the hub under test; what varies comes as JSON in MOSS_TEST_HUB."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import jupyterhub_moss


def tell_tasks(*_):
    """Write to the log what the hub waits for."""
    for task in asyncio.all_tasks():
        task.print_stack()


signal.signal(signal.SIGUSR2, tell_tasks)
c = get_config()  # noqa: F821
settings = json.loads(os.environ["MOSS_TEST_HUB"])
bin_dir = Path(sys.executable).parent

jupyterhub_moss.set_config(c)
c.JupyterHub.bind_url = f"http://127.0.0.1:{settings['port']}/"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{settings['hub_port']}/"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings['api_port']}"
c.ConfigurableHTTPProxy.command = [str(bin_dir / "configurable-http-proxy"), "--proxy-timeout=0"]
# the REST API waits for the end of a start, so that its answer says how that went
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": settings.get("slow_spawn_timeout", 90)}
# tests read the log, also for what must not be in it
c.JupyterHub.log_level = "DEBUG"
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.services = [{"name": "tester", "api_token": settings["token"]}]
c.JupyterHub.load_roles = [
    {"name": "tester", "services": ["tester"], "scopes": ["admin:users", "admin:servers", "access:servers"]}
]

c.MOSlurmSpawner.exec_prefix = ""
c.MOSlurmSpawner.req_homedir = settings["home"]
c.MOSlurmSpawner.state_exechost_exp = "127.0.0.1"
c.MOSlurmSpawner.env_keep = ["PATH", "LANG", *settings["environ"]]
# a server without extensions starts in a third of the time, and they are not what is tested
c.MOSlurmSpawner.environment = {
    "JUPYTER_NO_CONFIG": "1",
    # for that it makes an empty folder of settings, which it leaves behind: in the test's folder, not in /tmp
    "TMPDIR": settings["home"],
    "JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp",
}
c.MOSlurmSpawner.ip = "127.0.0.1"
c.MOSlurmSpawner.args = ["--allow-root"]
c.MOSlurmSpawner.partitions = settings["partitions"]
c.MOSlurmSpawner.start_timeout = 300
c.MOSlurmSpawner.http_timeout = 300
# as often as a page renews itself at most
c.MOSlurmSpawner.slurm_info_max_age = 5
c.MOSlurmSpawner.poll_interval = 2
if settings.get("tiny_servers"):
    # what is tested is the hub: no proxy, and servers that do nothing but report their port and answer
    c.JupyterHub.proxy_class = "tiny_hub.NoProxy"
    c.MOSlurmSpawner.batchspawner_singleuser_cmd = f"{sys.executable} -I {Path(__file__).with_name('tiny_server.py')}"
    c.MOSlurmSpawner.args = []
    c.MOSlurmSpawner.req_srun = ""
    sys.path.insert(0, str(Path(__file__).parent))
for name, value in settings.get("spawner", {}).items():
    c.MOSlurmSpawner[name] = value
