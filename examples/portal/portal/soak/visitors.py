"""Visitors of a soak: each a thread with a browser of its own, going on whatever happens."""

import secrets
import threading
from collections.abc import Callable
from typing import Any

import httpx

from portal.check.browser import Browser, PageForm, forms_of
from portal.check.steps import StepFailedError, expect_status
from portal.launcher.stack import Stack
from portal.soak.record import Record, Request

_PAUSE = 0.1  # seconds between two requests of a visitor


class Visitor(threading.Thread):
    """Somebody who does `round` again and again until `over` is set."""

    def __init__(self, name: str, stack: Stack, record: Record, over: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.stack = stack
        self.record = record
        self.over = over
        self.browser = Browser(stack.settings.public_url)

    def run(self) -> None:
        """Do rounds; a step that fails begins the next round."""
        while not self.over.is_set():
            try:
                self.round()
            except (StepFailedError, httpx.HTTPError):
                self.over.wait(_PAUSE)  # noted already
            except Exception as error:  # noqa: BLE001 - a visitor who ends unnoticed would hide what was found
                self.record.broken.append(f"{self.name} went away: {error!r}")
                return

    def round(self) -> None:
        """What this visitor does again and again."""
        raise NotImplementedError

    def step(self, what: str, act: Callable[[], Any]) -> Any:
        """Do one thing and note how it went; raises what it raises."""
        began = self.record.now()
        failure = ""
        try:
            return act()
        except (StepFailedError, httpx.HTTPError) as error:
            failure = _reason(error)
            raise
        finally:
            self.record.add(Request(began, self.record.now(), what, failure))
            self.over.wait(_PAUSE)


def _reason(error: Exception) -> str:
    """The status that came in place of the right one, or the kind of error of the connection."""
    words = str(error).split()
    return f"answered {words[words.index('answered') + 1]}" if "answered" in words else type(error).__name__


class Reader(Visitor):
    """Looks at pages without signing in."""

    def round(self) -> None:
        """The front page, a search, and a data set that is open."""
        self.step("front page", lambda: self.browser.get("/"))
        self.step("search", lambda: self.browser.get("/catalogue/?q=penguins"))


class Depositor(Visitor):
    """Signs in, deposits, reads back what was deposited, and signs out now and then."""

    def __init__(self, *arguments: Any, password: str) -> None:
        super().__init__(*arguments)
        self.password = password
        self._signed_in = False
        self._own: list[tuple[str, str]] = []

    def round(self) -> None:
        """One deposit and what belongs to it."""
        if not self._signed_in:
            self._sign_in()
        self._deposit()
        self.step("devices", lambda: self._signed_in_page("/devices"))
        self._read_back()
        if secrets.randbelow(5) == 0:
            self.step("sign out", lambda: self.browser.submit("/notebooks", action="/sign-out"))
            self._signed_in = False

    def _sign_in(self) -> None:
        self.browser.client.cookies.clear()
        self.step("sign in", lambda: self.browser.sign_in(self.name, self.password))
        self._signed_in = True

    def _signed_in_page(self, path: str) -> httpx.Response:
        """A page for members; being sent to the sign-in page means that a session was lost."""
        answer = self.browser.client.get(path)
        if answer.status_code in {302, 303} and "/sign-in" in answer.headers["location"]:
            self._signed_in = False
            self.record.lost_sessions.append(self.name)
        return expect_status(answer, 200)

    def _deposit(self) -> None:
        title = f"Soak {self.name} {secrets.token_hex(6)}"
        content = f"nest,eggs\n{secrets.token_hex(8)},1\n".encode()
        form = self.step("deposit's form", lambda: self._form("/catalogue/new"))
        self.record.unsure[title] = content
        files = {"file": ("counts.csv", content, "text/csv")}
        sent = self.step("deposit", lambda: self._post("/catalogue/new", form.fields | {"title": title}, files))
        self.record.deposits[title] = self.record.unsure.pop(title)
        self._own.append((sent.headers["location"].split("/")[2], title))

    def _form(self, path: str) -> PageForm:
        forms = forms_of(self._signed_in_page(path))
        return next(form for form in forms if form.method == "post" and "title" in form.fields)

    def _post(self, path: str, fields: dict[str, str], files: Any) -> httpx.Response:
        headers = {"Origin": self.stack.settings.public_url}
        return expect_status(self.browser.client.post(path, data=fields, files=files, headers=headers), 302)

    def _read_back(self) -> None:
        dataset_id, title = secrets.choice(self._own)
        link = self.step("download", lambda: self.browser.get(f"/catalogue/{dataset_id}/download", status=302))
        got = self.step("S3 object", lambda: expect_status(httpx.get(link.headers["location"], timeout=30), 200))
        if got.content != self.record.deposits[title]:
            self.record.broken.append(f"{title} has other bytes than were deposited")


class NotebookUser(Depositor):
    """Starts a notebook server, waits until it is ready, and stops it."""

    def round(self) -> None:
        """One job of Slurm, from the queue to its end."""
        if not self._signed_in:
            self._sign_in()
        self.step("hub", self._enter)
        self.step("start a notebook", self._start)
        self._wait_for(lambda server: server.get("ready", False))
        self.step("stop the notebook", self._stop)
        self._wait_for(lambda server: not server)

    def _enter(self) -> httpx.Response:
        hub = self.stack.settings.hub_url
        page = self.browser.client.get(f"{hub}/hub/portal-login?next=/hub/home", follow_redirects=True)
        if page.url.path == "/sign-in":
            self._signed_in = False
            self.record.lost_sessions.append(self.name)
            raise StepFailedError("sent to the sign-in page")
        return expect_status(page, 200)

    def _start(self) -> None:
        answer = self._hub("POST", {"partition": "cpu", "nprocs": 1, "runtime": "1:00:00"})
        self.record.spawned += 1
        if answer.status_code not in {201, 202, 400}:  # 400: it runs or starts already
            expect_status(answer, 202)

    def _stop(self) -> None:
        answer = self._hub("DELETE")
        if answer.status_code not in {202, 204, 404}:
            expect_status(answer, 202)

    def _wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        for _ in range(600):
            server = self.step("look at the notebook", self._server)
            if condition(server) or (not server and condition({"ready": True})):
                return
            if self.over.wait(0.4):
                return

    def _server(self) -> dict[str, Any]:
        path = f"{self.stack.settings.hub_url}/hub/api/users/{self.name}"
        answer = expect_status(self.browser.client.get(path, headers=self._proof()), 200)
        found: dict[str, Any] = answer.json()["servers"].get("", {})
        return found

    def _hub(self, method: str, body: dict[str, Any] | None = None) -> httpx.Response:
        path = f"{self.stack.settings.hub_url}/hub/api/users/{self.name}/server"
        return self.browser.client.request(method, path, json=body, headers=self._proof())

    def _proof(self) -> dict[str, str]:
        return self.browser.hub_proof(self.stack.settings.hub_url, "/hub/")
