"""The visit's view on browsers: who is signed in where, and how it ends."""

from portal.check.browser import Browser
from portal.check.curation_steps import CurationSteps
from portal.check.steps import PATIENCE, expect_status, require
from portal.launcher.parts import poll_until


class DeviceSteps:
    """Ada signs in on a second computer, and signs it out from the first."""

    def __init__(self, curation: CurationSteps) -> None:
        self.curation = curation
        self.ada = curation.ada
        self.settings = curation.settings

    def sign_out_elsewhere(self) -> str:
        """The other browser is out at the front door at once, at the notebooks within seconds; this one stays in."""
        with Browser(self.settings.public_url) as other:
            other.client.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"
            self.curation.sign_in_as_ada(other)
            require(self._enters_hub(other), "the second browser does not get into the notebooks")
            listed = self.ada.get("/devices").text
            require("Firefox" in listed and listed.count("This browser") == 1, "the list lacks one of the two browsers")
            self.ada.submit("/devices", action="/devices/end")
            other.get("/devices", status=303)
            poll_until(lambda: not self._enters_hub(other), PATIENCE, "the hub to let go of the other browser")
        require("Firefox" not in self.ada.get("/devices").text, "the other browser is still listed")
        require(self._enters_hub(self.ada), "the first browser does not get into the notebooks any more")
        return "listed, ended from the first browser, out at the front door and at the notebooks"

    def _enters_hub(self, browser: Browser) -> bool:
        """Whether the hub's first page opens without a password; a ticket on the way is not seen by a visitor."""
        page = browser.client.get(f"{self.settings.hub_url}/hub/home", follow_redirects=True)
        return expect_status(page, 200).url.path == "/hub/home"
