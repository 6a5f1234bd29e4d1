"""A visitor's browser: cookies, pages and their forms, over real HTTP."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Self

import httpx

from portal.check.steps import PATIENCE, StepFailedError, expect_status
from portal.settings import SESSION_COOKIE


@dataclass
class PageForm:
    """A form as a page shows it: where it goes and what it holds."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _FormReader(HTMLParser):
    """Collects the forms of a page with their fields' present values."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self._select = ""
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(PageForm(given.get("action", ""), given.get("method", "get").lower()))
        elif self.forms:
            self._read_field(tag, given)

    def _read_field(self, tag: str, given: dict[str, str]) -> None:
        fields = self.forms[-1].fields
        name = given.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._area = name
            fields[name] = ""
        elif tag == "option" and self._select:
            if "selected" in given or self._select not in fields:
                fields[self._select] = given.get("value", "")
        elif tag == "input" and name and _counts(given):
            fields[name] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1].fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""


def _counts(given: dict[str, str]) -> bool:
    """Whether a browser would send this field as it stands."""
    kind = given.get("type", "text")
    return kind not in {"submit", "button", "file"} and (kind not in {"radio", "checkbox"} or "checked" in given)


def forms_of(response: httpx.Response) -> list[PageForm]:
    """The forms of a page."""
    reader = _FormReader()
    reader.feed(response.text)
    return reader.forms


class Browser:
    """One visitor at the portal."""

    def __init__(self, public_url: str) -> None:
        self.public_url = public_url
        self.client = httpx.Client(base_url=public_url, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @property
    def session_id(self) -> str:
        """The session cookie's value; empty without one."""
        return self.client.cookies.get(SESSION_COOKIE) or ""

    def get(self, path: str, *, status: int = 200) -> httpx.Response:
        """A page; the step fails unless it answers with this status."""
        return expect_status(self.client.get(path), status)

    def submit(self, path: str, *, action: str | None = None, status: int = 303, **values: Any) -> httpx.Response:
        """Open a page, fill in its form (the one with this action) and send it.

        `files=` is passed on to httpx. The step fails unless the answer has this status.
        """
        files = values.pop("files", None)
        form = self.form(path, action or path)
        target = form.action or path
        headers = {"Origin": self.public_url}
        response = self.client.post(target, data=form.fields | values, files=files, headers=headers)
        return expect_status(response, status)

    def form(self, path: str, action: str) -> PageForm:
        """The form of a page that goes to `action`, or to the page itself."""
        for form in forms_of(self.get(path)):
            if form.method == "post" and form.action in {action, "" if action == path else action}:
                return form
        raise StepFailedError(f"{path} shows no form that goes to {action}")

    def hub_proof(self, hub_url: str, path: str) -> dict[str, str]:
        """The headers that prove to the hub, or a server behind it, that a request comes from a page of its own."""
        for cookie in self.client.cookies.jar:
            if cookie.name == "_xsrf" and cookie.path == path:
                return {"X-XSRFToken": cookie.value or "", "Origin": hub_url, "Referer": f"{hub_url}{path}"}
        raise StepFailedError(f"no _xsrf cookie for {path}")

    def sign_in(self, name: str, password: str) -> httpx.Response:
        """Sign in through the form."""
        return self.submit("/sign-in", name=name, password=password)
