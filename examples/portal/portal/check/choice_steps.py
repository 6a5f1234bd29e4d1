"""What Ada can choose at the notebook hub, what she is told when it cannot be had, and what is remembered."""

import html
import re
import time
from typing import Final, cast
from urllib.parse import urlencode

import httpx

from pentad_services import SlurmService
from portal.check.browser import Browser, forms_of
from portal.check.notebook_steps import KEPT_AS, USER, NotebookSteps
from portal.check.steps import PATIENCE, expect_status, require
from portal.launcher.parts import poll_until
from portal.notebook_profiles import PROFILES

_PROFILE: Final = "Model training"
_AWAY: Final = "Slurm is not answering. The table shows what was free"
_SHARED: Final = ("partition", "nprocs", "ngpus", "memory", "runtime", "environment_id")


class ChoiceSteps:
    """Ada, and Grace, who is sent a link."""

    def __init__(self, notebook: NotebookSteps, grace: Browser) -> None:
        self.notebook = notebook
        self.hub = notebook.hub
        self.ada = notebook.ada
        self.grace = grace

    @property
    def slurm(self) -> SlurmService:
        """The portal's Slurm."""
        return cast("SlurmService", self.notebook.stack.services["slurm"])

    def profile_and_link(self) -> str:
        """The notebooks page leads to the form, filled in; a link to it fills in Grace's, and starts nothing."""
        before = self.notebook.jobs()
        mine = _choices(self.notebook.open_spawn_page(_PROFILE))
        wanted = {name: str(value) for name, value in PROFILES[_PROFILE].items() if name in _SHARED}
        require(mine == wanted, f"the profile fills in {mine}")
        link = f"{self.hub}/hub/spawn?{urlencode({f'opt-{name}': value for name, value in mine.items()})}"
        hers = self._open(self.grace, link)
        require(_choices(hers) == mine, f"the link fills in {_choices(hers)}")
        require("Nothing has been started yet" in hers.text, "the form does not say that a link has filled it in")
        require(self.notebook.jobs() == before, "a link has started a job")
        return f"{_PROFILE}: {mine['nprocs']} processors, {mine['ngpus']} graphics card; Grace sees the same, no job"

    def impossible_requests(self) -> str:
        """What no node has is refused at once; what Slurm would let wait for ever, after a second look."""
        began = time.monotonic()
        answer = expect_status(self.notebook.send(self.notebook.open_spawn_page(), partition="cpu", nprocs="64"), 400)
        require(
            "64 CPUs were asked for, on partition 'cpu' at most" in _error(answer), f"the form says {_error(answer)!r}"
        )
        at_once = f"64 processors after {time.monotonic() - began:.1f} s"
        if self.slurm.cluster is None:
            return f"{at_once}; no QOS was tried, as those of {self.slurm.line} are not known"
        began = time.monotonic()
        over = "The request is over a limit for one job (QOSMaxCpuPerJobLimit); ask for less."
        told = self._failure(partition="cpu", nprocs="8", qos="small")
        require(over in told, f"the page says {told!r}")
        return f"{at_once}, more than the QOS allows after {time.monotonic() - began:.1f} s"

    def early_end(self) -> str:
        """A job that ends before its server is there is told of with the last lines that it wrote."""
        told = self._failure(
            partition="cpu", nprocs="1", environment_id="custom", environment_path="/no/such/environment", output="true"
        )
        why, _, said = told.partition("Its output ended with: ")
        require(why.endswith("its script ended with an error. "), f"the page says {told!r}")
        require("/no/such/environment/batchspawner-singleuser" in said, f"the last lines are {said!r}")
        return f"the page shows {said.partition(' Would you like')[0]!r}"

    def time_left(self) -> str:
        """The hub's home page and the notebooks page tell when the server's time is over; the hub tells no stranger."""
        expect_status(httpx.get(f"{self.hub}/hub/portal-server", timeout=PATIENCE), 403)
        found = [
            re.search(r"ends in <strong>(\d+\sminutes|1\shour)</strong>", page.text)
            for page in (self._open(self.ada, f"{self.hub}/hub/home"), self.ada.get("/notebooks"))
        ]
        require(all(found), "a page does not tell the time that is left")
        return " and ".join(" ".join(each[1].split()) for each in found if each) + " on the two pages"

    def remembered(self) -> str:
        """The spawn page offers what was kept, and shows again what was started last, from whatever browser."""
        page = self.notebook.open_spawn_page()
        last = {"partition": "cpu", "nprocs": "1", "ngpus": "0", "runtime": "1:00:00", "environment_id": "portal"}
        require(_choices(page) == last, f"the form shows {_choices(page)}")
        require(f">{KEPT_AS}</a>" in page.text, "the form does not offer what was kept")
        kept = self._open(self.ada, f"{self.hub}/hub/spawn?{urlencode({'opt-choice': KEPT_AS})}")
        require(_choices(kept) == last, f"what was kept fills in {_choices(kept)}")
        return f"{KEPT_AS} is offered, and the last choice shown"

    def without_slurm(self) -> str:
        """While Slurm is away the last table stays, marked as old, and a server can still be asked for."""
        if self.slurm.cluster is None:
            return f"not tried, as it was not started here: {self.slurm.line}"
        self.slurm.kill()
        try:
            poll_until(lambda: _AWAY in self.notebook.open_spawn_page().text, PATIENCE, "the spawn page to tell of it")
            page = self.notebook.open_spawn_page().text
            load = self.ada.get("/notebooks").text
        finally:
            self.slurm.start_again()
        old = re.search(r'moss-resources moss-stale.*?"moss-free">(\d+ of \d+)<', page, re.DOTALL)
        require(old, "the last table is not there as an old one")
        require("Slurm does not answer just now" in load, "the notebooks page does not say that Slurm is away")
        return f"the spawn page's table stays, {old[1] if old else ''} processors, marked as old"

    def _open(self, browser: Browser, address: str) -> httpx.Response:
        return expect_status(browser.client.get(address, follow_redirects=True), 200)

    def _failure(self, **chosen: str) -> str:
        """What the page of the starting server says in the end, when it does not start."""
        answer = self.notebook.send(self.notebook.open_spawn_page(), **chosen)
        pages = [answer]

        def failed() -> bool:
            pages.append(self.ada.client.get(f"{self.hub}/hub/spawn-pending/{USER}"))
            return pages[-1].is_error

        if not answer.is_error:
            poll_until(failed, PATIENCE, "the start to fail")
        return _error(pages[-1])


def _choices(page: httpx.Response) -> dict[str, str]:
    """What the form of a spawn page is filled in with, in the words of a link."""
    fields = next((form.fields for form in forms_of(page) if form.method == "post"), {})
    fields["memory"] = fields.get("mem", "")
    return {name: fields[name] for name in _SHARED if fields.get(name)}


def _error(page: httpx.Response) -> str:
    """The words of a page's main part."""
    body = page.text.partition("<h1")[2].partition("<form")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())
