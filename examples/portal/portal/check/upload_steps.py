"""The visit's upload: a file that goes from the browser to the S3 server, past the catalogue."""

import html
import json
import re
from typing import Any

import httpx

from portal.check.browser import forms_of
from portal.check.curation_steps import CurationSteps
from portal.check.steps import PATIENCE, StepFailedError, expect_status, require

_CONTENT = b"nest,eggs\n" + b"".join(b"%d,2\n" % nest for nest in range(1, 2001))


class UploadSteps:
    """Ada's browser does what the script of the deposit page does."""

    def __init__(self, curation: CurationSteps) -> None:
        self.curation = curation
        self.ada = curation.ada
        self.origin = curation.settings.public_url

    def past_the_catalogue(self) -> str:
        """The S3 server takes just the announced bytes from this site's pages; the form's token works once."""
        place = self._begin()
        self._expect_leave(f"{place['url']}/{place['fields']['key']}")
        expect_status(self._send(place, _CONTENT + b"x"), 400)
        expect_status(self._send(place, _CONTENT), 201)
        token = {"title": "Nest counts, sent past the catalogue", "file-upload": place["token"]}
        self.ada.submit("/catalogue/new", **token, status=302)
        self.ada.submit("/catalogue/new", **token, status=422)
        require(self.curation.stored_file(_CONTENT) == _CONTENT, "the object differs from the file")
        left = list(self.curation.s3().list_objects(self.curation.settings.private_bucket, "incoming/", recursive=True))
        require(not left, f"left where uploads arrive: {[one.object_name for one in left]}")
        return f"{len(_CONTENT)} bytes by presigned POST, one more refused, a token of {len(place['token'])} characters"

    def _begin(self) -> dict[str, Any]:
        """What the catalogue answers to name and size of a file: where to send it, and the form's token."""
        page = self.ada.get("/catalogue/new")
        found = re.search(r'data-direct-upload="([^"]+)"', page.text)
        if found is None:
            raise StepFailedError("the deposit page does not let scripts upload")
        told = json.loads(html.unescape(found[1]))
        form = next(form for form in forms_of(page) if "csrfmiddlewaretoken" in form.fields)
        headers = {"Origin": self.origin, "X-CSRFToken": form.fields["csrfmiddlewaretoken"]}
        asked = {"permit": told["permit"], "name": "counts.csv", "size": len(_CONTENT)}
        answer = self.ada.client.post(told["addresses"]["start"], json=asked, headers=headers)
        return dict(expect_status(answer, 200).json())

    def _expect_leave(self, url: str) -> None:
        """The S3 server lets pages of this site send files, and those of no other."""
        for origin, wanted in ((self.origin, True), ("http://elsewhere.example", False)):
            headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            leave = httpx.options(url, headers=headers, timeout=PATIENCE).headers.get("access-control-allow-origin", "")
            require((leave in {origin, "*"}) is wanted, f"a page of {origin} may upload: {leave!r}")

    def _send(self, place: dict[str, Any], content: bytes) -> httpx.Response:
        files = {"file": ("counts.csv", content, "text/csv")}
        return httpx.post(
            place["url"], data=place["fields"], files=files, headers={"Origin": self.origin}, timeout=PATIENCE
        )
