"""The visit's end: a notebook as a Slurm job."""

import html
import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any, Final

import httpx
from websockets.sync.client import connect

from portal.check.browser import Browser, forms_of
from portal.check.steps import PATIENCE, StepFailedError, expect_status, require
from portal.launcher.parts import poll_until
from portal.launcher.stack import Stack

USER: Final = "check-ada"
KEPT_AS: Final = "Penguin counts"


class NotebookSteps:
    """Ada at the notebook hub, in the browser in which she signed in at the front door."""

    def __init__(self, stack: Stack, ada: Browser) -> None:
        self.stack = stack
        self.hub = stack.settings.hub_url
        self.ada = ada
        self.client = ada.client
        self.jobs_before: dict[str, str] = {}
        self.job_id = ""

    def refused_ticket(self) -> str:
        """Ada's ticket opens nothing in another browser: it starts again at the front door, and is in no log."""
        to_front = expect_status(self.client.get(f"{self.hub}/hub/portal-login"), 302)
        to_hub = expect_status(self.client.get(to_front.headers["location"]), 303).headers["location"]
        refused = expect_status(httpx.get(to_hub, timeout=PATIENCE), 302).headers["location"]
        require(refused.startswith(f"{self.stack.settings.public_url}/notebooks?"), "the ticket was not refused")
        ticket = httpx.URL(to_hub).params["code"]
        found = [log.name for log in self.stack.logs.iterdir() if ticket in log.read_text(errors="replace")]
        require(not found, f"the ticket is in {', '.join(found)}")
        return "back to the front door, in no log"

    def open_spawn_page(self, profile: str = "Open the spawn page") -> httpx.Response:
        """The page to which the notebooks page leads, filled in where a profile is chosen."""
        page = expect_status(self.client.get(self._entry(profile), follow_redirects=True), 200)
        require("code" not in page.url.params, "the ticket is still in the spawn page's address")
        return page

    def request(self, page: httpx.Response) -> None:
        """Ada starts what the spawn page is filled in with, and keeps it; her server becomes a Slurm job."""
        self.jobs_before = self.jobs()
        expect_status(self.send(page, keep_as=KEPT_AS), 302)
        poll_until(self._is_submitted, PATIENCE, "the job to be submitted")

    def send(self, page: httpx.Response, **chosen: str) -> httpx.Response:
        """What the hub answers to the spawn page's form, filled in."""
        form = next((form for form in forms_of(page) if form.method == "post"), None)
        if form is None:
            raise StepFailedError(f"{page.url} shows no form")
        address = page.url.join(form.action or str(page.url))
        return self.client.post(address, data=form.fields | chosen, headers={"Origin": self.hub})

    def answer(self) -> str:
        """The server answers over HTTP, and a kernel computes over a websocket."""
        poll_until(self._runs, PATIENCE, "the job to run")
        poll_until(self._is_ready, PATIENCE, "the notebook server")
        lab = expect_status(self.client.get(f"{self.hub}/user/{USER}/lab", follow_redirects=True), 200)
        require("jupyter-config-data" in lab.text, "this is not JupyterLab")
        status = expect_status(self.client.get(f"{self.hub}/user/{USER}/api/status"), 200)
        kernel = self._post(f"/user/{USER}/api/kernels", {"name": "python3"})
        said = self._execute(kernel["id"], "print(6 * 7)")
        require(said.strip() == "42", f"the kernel said {said!r}")
        return f"JupyterLab, {status.json()['kernels']} kernels before; one more computed 42 over a websocket"

    def stop(self) -> str:
        """Ada stops the server; the job leaves the queue."""
        response = self.client.delete(f"{self.hub}/hub/api/users/{USER}/server", headers=self._xsrf("/hub/"))
        require(response.status_code in {202, 204}, f"stopping answered {response.status_code}: {response.text[:200]}")
        poll_until(lambda: self.job_id not in self.jobs(), PATIENCE, "the job to leave the queue")
        return f"job {self.job_id} gone from squeue"

    def _entry(self, name: str) -> str:
        """Where a link of the notebooks page leads: to a new ticket, whoever used this browser at the hub before."""
        text = expect_status(self.client.get("/notebooks"), 200).text
        found = re.search(rf'href="([^"]+)">{name}', text)
        if found is None:
            raise StepFailedError(f"the notebooks page has no link {name!r}")
        require("/hub/portal-login?" in found[1], f"the notebooks page leads past the front door: {found[1]}")
        return html.unescape(found[1])

    def _runs(self) -> bool:
        jobs = self.jobs()
        require(self.job_id in jobs, f"job {self.job_id} has ended; see {self.stack.logs / 'notebook-hub.log'}")
        return jobs[self.job_id] == "RUNNING"

    def _is_submitted(self) -> bool:
        new = self.jobs().keys() - self.jobs_before.keys()
        self.job_id = max(new, key=int, default="")
        return bool(new)

    def jobs(self) -> dict[str, str]:
        """The state of each job that Slurm has in its queue, by number."""
        return dict(line.split() for line in self.slurm("squeue", "-h", "-o", "%i %T").splitlines())

    def slurm(self, *command: str) -> str:
        """What one of Slurm's commands prints; the step fails if it does."""
        finished = subprocess.run(command, env=self.stack.environment, capture_output=True, text=True, check=False)
        require(finished.returncode == 0, f"{command[0]}: {finished.stderr}")
        return finished.stdout

    def _is_ready(self) -> bool:
        server = self.ask_hub(f"users/{USER}")["servers"].get("")
        require(server, f"the server did not start; see {self.stack.logs / 'notebook-hub.log'}")
        return bool(server["ready"])

    def ask_hub(self, path: str) -> dict[str, Any]:
        """What the hub's API tells Ada's browser."""
        response = self.client.get(f"{self.hub}/hub/api/{path}", headers=self._xsrf("/hub/"))
        return dict(expect_status(response, 200).json())

    def progress(self) -> Iterator[str]:
        """What the page of the starting server shows, line after line."""
        address = f"{self.hub}/hub/api/users/{USER}/server/progress"
        headers = self._xsrf("/hub/") | {"Accept": "text/event-stream"}
        with self.client.stream("GET", address, headers=headers) as answer:
            expect_status(answer, 200)
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield str(json.loads(line.removeprefix("data: "))["message"])

    def _xsrf(self, path: str) -> dict[str, str]:
        return self.ada.hub_proof(self.hub, path)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = self._xsrf(f"/user/{USER}/")
        response = expect_status(self.client.post(f"{self.hub}{path}", json=body, headers=headers), 201)
        return dict(response.json())

    def _execute(self, kernel_id: str, code: str) -> str:
        """What a piece of code prints in this kernel."""
        address = f"{self.hub}/user/{USER}/api/kernels/{kernel_id}/channels"
        cookies = self.client.build_request("GET", address).headers.get("cookie", "")
        headers = {"Cookie": cookies, "Origin": self.hub}
        with connect(address.replace("http", "ws", 1), additional_headers=headers, open_timeout=PATIENCE) as socket:
            socket.send(json.dumps(_execute_request(code)))
            while True:
                message = json.loads(socket.recv(timeout=PATIENCE))
                if message["header"]["msg_type"] == "stream":
                    return str(message["content"]["text"])


def _execute_request(code: str) -> dict[str, Any]:
    header = {
        "msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": uuid.uuid4().hex,
        "username": USER, "version": "5.3",
    }  # fmt: skip
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }
