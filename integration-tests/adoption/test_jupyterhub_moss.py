"""A hub moves from jupyterhub_moss 10.1.0 to ours and back, while its users' servers run on as the same jobs."""

import contextlib
import getpass
import secrets
import socket
import time
from pathlib import Path

import httpx
import pytest

from adoption.environment import commands_of
from mock_slurm import MockSlurm

PAGE = "docs/packages/jupyterhub-moss/upgrading.md"
CONFIG = Path(__file__).parent / "jupyterhub_moss" / "jupyterhub_config.py"
UPSTREAM = ("jupyterhub_moss==10.1.0", "jupyterhub==6.1.1", "batchspawner==1.3.0")
SERVERS = ("jupyter-server", "configurable-http-proxy")
PATIENCE = 300  # seconds, on any machine
#: 10.1.0 knows only users with an account on the machine.
USER = getpass.getuser()
OPTIONS = {"partition": "cpu", "nprocs": "2", "runtime": "0:30:00", "mem": "1G", "environment_id": "default"}


def until(condition, what, explain=str):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}\n{explain()}"
        time.sleep(0.2)
    return found


def free_ports(count):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in sockets]


class Hub:
    """The site's hub, started again after each exchange of packages."""

    def __init__(self, environment, folder, slurm):
        self.environment, self.folder = environment, folder
        port, hub_port, proxy_port = free_ports(3)
        self.url = f"http://127.0.0.1:{port}"
        self.token = secrets.token_hex(16)
        path = f"{slurm.bin_dir}:{environment.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        self.variables = {
            **slurm.environ, "PATH": path, "SITE_BIN": str(environment.folder / "bin"), "SITE_TOKEN": self.token,
            "SITE_PORT": port, "SITE_HUB_PORT": hub_port, "SITE_PROXY_PORT": proxy_port,
        }  # fmt: skip
        self.process = None

    @contextlib.contextmanager
    def running(self):
        self.process = self.environment.start(
            "jupyterhub", "-f", CONFIG, cwd=self.folder, log=self.folder / "hub.log", variables=self.variables
        )
        until(self._answers, "the hub answers", self._said)
        yield
        self.process.terminate()
        self.process.wait(PATIENCE)

    def _said(self):
        return self.process.tail(60)

    def _answers(self):
        assert self.process.poll() is None, self._said()
        with contextlib.suppress(httpx.TransportError):
            return self.api("GET", "/").is_success
        return False

    def api(self, method, path):
        headers = {"Authorization": f"token {self.token}"}
        return httpx.request(method, f"{self.url}/hub/api{path}", headers=headers, timeout=PATIENCE)

    def server(self):
        return self.api("GET", f"/users/{USER}").json()["servers"].get("")

    def is_ready(self):
        return (self.server() or {}).get("ready")

    def serves(self):
        """Whether the user's server answers by the hub's proxy."""
        headers = {"Authorization": f"token {self.token}"}
        answer = httpx.get(f"{self.url}/user/{USER}/api/status", headers=headers, timeout=PATIENCE)
        return answer.is_success

    def start_server(self):
        """Log in, and send the form."""
        with httpx.Client(base_url=self.url, follow_redirects=True, timeout=PATIENCE) as visitor:
            visitor.get("/hub/login")
            data = {"username": USER, "password": "x", "_xsrf": xsrf_of(visitor)}
            visitor.post("/hub/login", data=data, follow_redirects=False)
            assert 'name="nprocs"' in visitor.get("/hub/spawn").text
            query = {"_xsrf": xsrf_of(visitor)}
            answer = visitor.post("/hub/spawn", params=query, data=OPTIONS, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        until(self.is_ready, "the server is ready", self._said)

    def stop_server(self):
        assert self.api("DELETE", f"/users/{USER}/server").status_code in {202, 204}
        until(lambda: self.server() is None, "the server is gone", self._said)


def xsrf_of(client):
    return next(each.value for each in client.cookies.jar if each.name == "_xsrf" and each.path == "/hub/")


@pytest.fixture
def slurm(tmp_path, process_guard):
    with MockSlurm(tmp_path / "slurm", spawn=process_guard.spawn) as slurm:
        yield slurm


def jobs(slurm):
    return slurm.run("squeue", "-h", "-o", "%i %T", check=True).stdout.splitlines()


@pytest.fixture
def hub(make_environment, tmp_path, slurm):
    """The hub with the upstream package."""
    folder = tmp_path / "hub"
    folder.mkdir()
    return Hub(make_environment(*UPSTREAM, *SERVERS), folder, slurm)


def packages(environment):
    return {name.replace("_", "-") for name in environment.versions() if "moss" in name}


def test_a_hub_moves_here_and_back_while_a_server_runs(hub, slurm):
    """A server is the same job before, between and after; each package stops what the other has started."""
    with hub.running():
        hub.start_server()
        (job,) = jobs(slurm)
        assert hub.serves()
    hub.environment.script(commands_of(PAGE, "to-pentad"), cwd=hub.folder)
    assert packages(hub.environment) == {"pentad-jupyterhub-moss"}
    with hub.running():
        until(hub.is_ready, "the hub has found the server again")
        assert hub.serves()
        assert jobs(slurm) == [job]
        hub.stop_server()
        assert jobs(slurm) == []
        hub.start_server()
        (job,) = jobs(slurm)
    hub.environment.script(commands_of(PAGE, "to-jupyterhub-moss"), cwd=hub.folder)
    assert packages(hub.environment) == {"jupyterhub-moss"}
    with hub.running():
        until(hub.is_ready, "the hub has found the server again")
        assert hub.serves()
        assert jobs(slurm) == [job]
        hub.stop_server()
        until(lambda: jobs(slurm) == [], "the job has ended")
