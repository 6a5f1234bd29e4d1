"""A JupyterHub in a process of its own and a browser-like client for it."""

import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx

CONFIG = Path(__file__).with_name("hub_config.py")


def free_ports(count):
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Hub:
    """`python -m jupyterhub` on free ports; `settings` fill in tests/hub_config.py."""

    def __init__(self, folder, environ, *, guard=None, python=sys.executable, **settings):
        self.folder = folder
        self.python = str(python)
        port, hub_port, api_port = free_ports(3)
        self.url = f"http://127.0.0.1:{hub_port if settings.get('tiny_servers') else port}"
        self.direct_url = f"http://127.0.0.1:{hub_port}"
        self.token = secrets.token_hex(24)
        home = folder / "home"
        home.mkdir()
        self.settings = {
            "port": port, "hub_port": hub_port, "api_port": api_port, "token": self.token, "home": str(home),
            "environ": [name for name in environ if name != "PATH"], **settings,
        }  # fmt: skip
        path = os.pathsep.join([environ.get("PATH", os.environ["PATH"]), str(Path(python).parent)])
        #: What an administrator gives a hub in its environment, and no user may have.
        self.credentials = {
            name: secrets.token_hex(32)
            for name in ("CONFIGPROXY_AUTH_TOKEN", "JUPYTERHUB_CRYPT_KEY", "JPY_COOKIE_SECRET", "SLURM_JWT")
        }
        if "SLURM_CONF" in environ:  # a real Slurm, which would take it for the hub's own
            del self.credentials["SLURM_JWT"]
        self.environ = {
            **os.environ,
            **environ,
            **self.credentials,
            "PATH": path,
            "MOSS_TEST_HUB": json.dumps(self.settings),
        }
        self.log = folder / "hub.log"
        # nothing here speaks TLS, whose certificates take longer to read than a request; no connection outlives a hub
        self.client = httpx.Client(verify=False, timeout=120, limits=httpx.Limits(max_keepalive_connections=0))
        self.guard = guard
        self.process = None

    def start(self):
        argv = [self.python, "-m", "jupyterhub", "-f", str(CONFIG)]
        if self.guard is not None:
            self.process = self.guard.spawn(argv, env=self.environ, cwd=self.folder, log=self.log)
        else:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(argv, env=self.environ, cwd=self.folder, stdout=log, stderr=log)
        self.wait_for(self._answers, "the hub answers")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the hub ended with {self.process.returncode}:\n{self.log_text()[-4000:]}")
        try:
            return self.api("GET", "/").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(300)  # it stops its servers first
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGUSR2)
            time.sleep(2)
            raise AssertionError(f"the hub was told to stop and goes on:\n{self.log_text()[-20000:]}") from None

    def kill(self):
        """End the hub's process at once, as a power failure does."""
        self.process.kill()
        self.process.wait(30)

    def log_text(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, condition, what, seconds=300):
        deadline = time.monotonic() + seconds
        asked = time.monotonic()
        while not (value := condition()):
            now = time.monotonic()
            if now > deadline:
                raise AssertionError(f"not within {seconds} s: {what}\n{self.log_text()[-4000:]}")
            time.sleep(max(0.1, 4 * (now - asked)))  # who waits leaves the machine to what is waited for
            asked = time.monotonic()
        return value

    def api(self, method, path, **kwargs):
        headers = {"Authorization": f"token {self.token}", **kwargs.pop("headers", {})}
        return self.client.request(method, f"{self.url}/hub/api{path}", headers=headers, **kwargs)

    def server(self, user):
        """The model of a user's default server; None when there is none."""
        return self.api("GET", f"/users/{user}").json()["servers"].get("")

    def state(self, user):
        """What the hub has stored of the user's default server."""
        with closing(sqlite3.connect(f"file:{self.folder / 'hub.sqlite'}?mode=ro", uri=True, timeout=30)) as database:
            rows = database.execute(
                "SELECT spawners.state FROM spawners JOIN users ON users.id = user_id WHERE users.name = ?", [user]
            ).fetchall()
        return json.loads(rows[0][0] or "{}") if rows else {}

    def ready(self, user):
        return self.wait_for(lambda: (self.server(user) or {}).get("ready"), f"{user}'s server is ready")

    def gone(self, user):
        return self.wait_for(lambda: self.server(user) is None, f"{user}'s server is gone")


class Visitor(httpx.Client):
    """A logged-in user with the browser's cookies."""

    def __init__(self, hub, name):
        super().__init__(base_url=hub.url, follow_redirects=True, timeout=60, verify=False)
        self.hub, self.name = hub, name
        page = self.get("/hub/login")
        data = {"username": name, "password": "x", "_xsrf": page.cookies.get("_xsrf") or self.xsrf}
        answer = self.post("/hub/login", data=data, follow_redirects=False)
        assert answer.status_code == 302, answer.text

    @property
    def xsrf(self):
        return next(cookie.value for cookie in self.cookies.jar if cookie.name == "_xsrf" and cookie.path == "/hub/")

    def spawn_page(self, **query):
        return self.get("/hub/spawn", params=query)

    def submit(self, **fields):
        """Submit the spawn form; the answer is not followed."""
        self.spawn_page()
        return self.post("/hub/spawn", params={"_xsrf": self.xsrf}, data=fields, follow_redirects=False)
