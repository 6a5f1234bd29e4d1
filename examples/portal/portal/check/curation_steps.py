"""The visit's first half: sign in, deposit, describe, approve."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import psycopg
from minio import Minio
from redis import Redis

from pentad_config.minio import SecretProvider
from portal.check.browser import Browser
from portal.check.steps import PATIENCE, StepFailedError, expect_status, require
from portal.front.accounts import Accounts
from portal.launcher.parts import poll_until
from portal.launcher.stack import Stack
from portal.settings import SESSION_COOKIE, SESSION_PREFIX

_DESCRIPTION: Final = {
    "summary": "Size measurements, clutch observations and island for three penguin species, cleaned and simplified.",
    "keywords": "penguins, body mass",
    "licence": "CC0-1.0",
}
_TITLE: Final = "Palmer penguins, simplified"
_DRAFT_KEYWORDS: Final = "penguins, flipper length"
STEP_HEADING: Final = "<li>\n      <h2>"  # of a step on the timeline


class CurationSteps:
    """Two visitors: Ada deposits and describes, Grace approves."""

    def __init__(self, stack: Stack, data_file: bytes) -> None:
        self.stack = stack
        self.settings = stack.settings
        self.content = data_file
        self.redis: Redis = Redis.from_url(str(self.settings.redis_url.reveal()))
        self.accounts = Accounts(stack.state / "accounts.json")
        self.ada = Browser(self.settings.public_url)
        self.grace = Browser(self.settings.public_url)
        self.stranger = httpx.Client(timeout=PATIENCE)
        self.dataset_id = ""
        self.file_key = ""

    def all_parts_work(self) -> str:
        """The status page agrees that everything is up."""
        poll_until(lambda: self.ada.client.get("/status.json").status_code == 200, PATIENCE, "all parts to work")
        parts = self.ada.get("/status.json").json()["parts"]
        return f"{len(parts)} parts"

    def sign_in(self) -> str:
        """Ada signs in: the session is in Redis, opaque, under an id made at sign-in, in a well-kept cookie."""
        self.ada.get("/sign-in")
        before = self.ada.session_id
        self.ada.submit("/sign-in", name="check-ada", password="not this", status=401)  # noqa: S106 - meant to be wrong
        self.ada.get("/catalogue/new", status=302)
        expect_status(self.ada.client.post("/catalogue/new", content=b"unread"), 303)
        expect_status(self.ada.client.post("/catalogue/uploads/start/", json={}), 401)
        for address in ("/catalogue/health", "/catalogue/%2e/health", "/catalogue/x/%2e%2e/facts"):
            self.ada.get(address, status=404)
        response = self.sign_in_as_ada(self.ada)
        require(self.ada.session_id not in {"", before}, "the session id did not change at sign-in")
        require(self._stored(self.ada.session_id), "the session is not in Redis under its key")
        self._is_opaque(self.ada)
        require(not self._stored(before), "the id from before sign-in still opens a session")
        return _flags(response)

    def deposit(self) -> str:
        """Ada uploads the data set's real file: it is in the bucket byte for byte, and its event is recorded."""
        files = {"file": ("penguins.csv", self.content, "text/csv")}
        response = self.ada.submit("/catalogue/new", title=_TITLE, files=files, status=302)
        self.dataset_id = response.headers["location"].split("/")[2]
        topic, state = self._events()[0]
        require(topic.endswith(":Dataset.Registered"), f"the first event is {topic}")
        readable = [word for word in (_TITLE, "penguins.csv", "check-ada") if word.encode() in state]
        require(not readable, f"whoever reads the database reads {readable} in the event")
        self.file_key = self._file_key(self.content)
        require(self.stored_file(self.content) == self.content, "the object differs from the file")
        digest = hashlib.sha256(self.content).hexdigest()
        return f"{len(self.content)} bytes, sha256 {digest[:12]}, event of {len(state)} opaque bytes"

    def private_object(self) -> str:
        """A stranger gets 403; Ada's link opens the bytes, and nothing once it is altered."""
        plain = f"{self.settings.s3_url}/{self.settings.private_bucket}/{self.file_key}"
        expect_status(self.stranger.get(plain), 403)
        link = self.ada.get(f"/catalogue/{self.dataset_id}/download", status=302).headers["location"]
        require(self.stranger.get(link).content == self.content, "the signed link gives other bytes")
        signature = dict(httpx.URL(link).params)["X-Amz-Signature"]
        altered = link.replace(signature, signature[::-1])
        expect_status(self.stranger.get(altered), 403)
        expect_status(self.stranger.get(f"{self.settings.public_url}/catalogue/{self.dataset_id}/"), 404)
        return "403 to a stranger, bytes by signed link, 403 when the signature is altered"

    def describe(self) -> str:
        """Ada describes the data set, and may not approve it herself."""
        path = f"/catalogue/{self.dataset_id}/describe"
        self._describe()
        self._describe_at_once(path)
        form = self.ada.form(path, path)
        target = f"/catalogue/{self.dataset_id}/approve"
        expect_status(self.ada.client.post(target, data=form.fields, headers={"Origin": self.settings.public_url}), 403)
        return "described; 403 when the depositor approves"

    def timeline(self) -> str:
        """Members of the curation see each step with what it changed; a stranger sees nothing of it."""
        path = f"/catalogue/{self.dataset_id}/describe"
        self.ada.submit(path, **_DESCRIPTION | {"keywords": _DRAFT_KEYWORDS}, status=302)
        page = self.ada.get(f"/catalogue/{self.dataset_id}/timeline").text
        change = f"<del>{_DESCRIPTION['keywords']}</del> <ins>{_DRAFT_KEYWORDS}</ins>"
        require(change in page, "the change is not shown")
        events = len(self._events())
        require(page.count(STEP_HEADING) == events, f"the timeline does not show {events} steps")
        expect_status(self.stranger.get(f"{self.settings.public_url}/catalogue/{self.dataset_id}/timeline"), 404)
        return f"{events} steps, the last with its keywords before and after"

    def _describe(self) -> None:
        self.ada.submit(f"/catalogue/{self.dataset_id}/describe", **_DESCRIPTION, status=302)

    def _describe_at_once(self, path: str) -> None:
        """Of changes at the same moment each is recorded, or refused in words."""
        answers = self.ada.form(path, path).fields | _DESCRIPTION
        headers = {"Origin": self.settings.public_url}
        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(self.ada.client.post, path, data=answers, headers=headers) for _ in range(8)]
        statuses = {future.result().status_code for future in sent}
        require(302 in statuses and statuses <= {302, 409}, f"eight descriptions at once were answered {statuses}")

    def approve(self) -> str:
        """Grace approves what she has read, nothing newer; a follower feeds the search and publishes the preview."""
        self.grace.sign_in("check-grace", self._password("check-grace", "Check Grace", "curator"))
        page = f"/catalogue/{self.dataset_id}/"
        version = self.grace.form(page, f"{page}approve").fields["version"]
        self._describe()
        self.grace.submit(page, action=f"{page}approve", version=version, status=409)
        self.grace.submit(page, action=f"{page}approve", status=302)
        poll_until(lambda: self._entry()[0] == "approved", PATIENCE, "the search projection")
        state, indexed_by = self._entry()
        follower = self.stack.running["follower"].process.pid
        require(indexed_by == follower, f"process {indexed_by} wrote the entry, not the follower {follower}")
        found = self.stranger.get(f"{self.settings.public_url}/catalogue/", params={"q": "simplified"})
        require(self.dataset_id in expect_status(found, 200).text, "the search does not find the data set")
        return f"entry {state}, written by the follower, process {indexed_by}"

    def public_preview(self) -> str:
        """Anyone reads the preview; nobody lists the bucket."""
        bucket = f"{self.settings.s3_url}/{self.settings.preview_bucket}"
        preview = expect_status(self.stranger.get(f"{bucket}/{self.dataset_id}/preview.csv"), 200).content
        require(self.content.startswith(preview[:200]), "the preview does not begin like the file")
        expect_status(self.stranger.get(bucket + "/"), 403)
        expect_status(self.stranger.get(bucket + "/", params={"list-type": "2"}), 403)
        return f"{len(preview)} bytes for anyone, 403 for the list"

    def published_timeline(self) -> str:
        """Everybody sees the description that was approved, and no draft; those who prepared the data set see all."""
        path = f"/catalogue/{self.dataset_id}/timeline"
        public = expect_status(self.stranger.get(f"{self.settings.public_url}{path}"), 200).text
        shown = public.count(STEP_HEADING)
        require(shown == 3 and _DRAFT_KEYWORDS not in public, f"a stranger sees a draft, or not 3 steps but {shown}")
        for member in (self.ada, self.grace):
            require(_DRAFT_KEYWORDS in member.get(path).text, "who prepared the data set does not see its drafts")
        return f"{shown} of {len(self._events())} steps for anyone, no draft among them"

    def sign_out(self) -> str:
        """Ada signs out: the session is gone from Redis, and her old cookie opens nothing."""
        old = self.ada.session_id
        hub_page = f"{self.settings.hub_url}/hub/home"
        response = self.ada.submit("/notebooks", action="/sign-out")
        require(not self._stored(old), "the session is still in Redis")
        self.ada.client.get(response.headers["location"], follow_redirects=True)
        with httpx.Client(cookies={SESSION_COOKIE: old}, base_url=self.settings.public_url) as thief:
            answer = thief.get("/catalogue/new")
        require(
            answer.status_code == 302 and "/sign-in" in answer.headers["location"], "the old cookie still opens pages"
        )
        at_hub = self.ada.client.get(hub_page)
        require(at_hub.status_code == 302, "the hub still knows the visitor")
        return "session gone from Redis, old cookie opens nothing, signed out of the notebooks too"

    def close(self) -> None:
        """Leave no account of the check behind."""
        for name in ("check-ada", "check-grace"):
            self.accounts.remove(name)

    def sign_in_as_ada(self, browser: Browser) -> httpx.Response:
        """Ada signs in in this browser, with a password that is new."""
        return browser.sign_in("check-ada", self._password("check-ada", "Check Ada", "researcher"))

    def deposit_small(self, title: str) -> str:
        """Ada registers a three-line file; returns the data set's id once the search has it."""
        files = {"file": ("counts.csv", b"nest,eggs\n1,2\n2,1\n", "text/csv")}
        response = self.ada.submit("/catalogue/new", title=title, files=files, status=302)
        dataset_id = str(response.headers["location"].split("/")[2])
        poll_until(lambda: self._entry(dataset_id)[0] == "registered", PATIENCE, f"the search entry of “{title}”")
        return dataset_id

    def _password(self, name: str, display: str, role: str) -> str:
        return str(self.accounts.set_password(name, display, role).reveal())

    def _stored(self, session_id: str) -> bool:
        return bool(session_id) and bool(self.redis.exists(SESSION_PREFIX + session_id))

    def _is_opaque(self, browser: Browser) -> None:
        """Who reads Redis learns neither who is signed in nor the token of the forms."""
        token = browser.form("/notebooks", "/sign-out").fields["form_token"]
        record = self.redis.get(SESSION_PREFIX + browser.session_id)
        if not isinstance(record, bytes):
            raise StepFailedError("the session is no record in Redis")
        readable = [word for word in ("check-ada", "Check Ada", "visitor", token) if word.encode() in record]
        require(not readable, f"whoever reads Redis reads {len(readable)} words of the session")

    def s3(self) -> Minio:
        """A client of the S3 server with the portal's keys."""
        keys = SecretProvider(self.settings.s3_access_key, self.settings.s3_secret_key)
        return Minio(
            self.settings.s3_endpoint, credentials=keys, secure=self.settings.s3_secure, region=self.settings.s3_region
        )

    def stored_file(self, content: bytes) -> bytes:
        """What the bucket holds for a deposit of this content."""
        with self.s3().get_object(self.settings.private_bucket, self._file_key(content)) as stored:
            return bytes(stored.read())

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the portal's database."""
        with psycopg.connect(str(self.settings.database_url.reveal())) as connection:
            return connection.execute(statement, values).fetchall()

    def event_states(self, dataset_id: str) -> list[bytes]:
        """What PostgreSQL holds of a data set's events, oldest first."""
        return [state for _, state in self._events(dataset_id)]

    def _events(self, dataset_id: str = "") -> list[tuple[str, bytes]]:
        rows = self.query(
            "SELECT topic, state FROM stored_events WHERE originator_id = %s AND application_name = 'Curation'"
            " ORDER BY originator_version",
            UUID(dataset_id or self.dataset_id),
        )
        require(rows, "no event was recorded")
        return [(str(topic), bytes(state)) for topic, state in rows]

    def _file_key(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        rows = self.query("SELECT file FROM datasets_datafile WHERE sha256 = %s ORDER BY id DESC", digest)
        require(rows, "no row for the file")
        return str(rows[0][0])

    def _entry(self, dataset_id: str = "") -> tuple[str, int]:
        rows = self.query(
            "SELECT state, indexed_by FROM datasets_searchentry WHERE dataset_id = %s",
            UUID(dataset_id or self.dataset_id),
        )
        return (str(rows[0][0]), int(rows[0][1])) if rows else ("", 0)


def _flags(response: httpx.Response) -> str:
    """The session cookie's flags, if they are right for plain http on loopback."""
    cookie = next(c for c in response.headers.get_list("set-cookie") if c.startswith(f"{SESSION_COOKIE}="))
    flags = {part.strip().lower().partition("=")[0]: part.strip().lower() for part in cookie.split(";")[1:]}
    require("httponly" in flags, f"no HttpOnly in {sorted(flags)}")
    require(flags.get("samesite") == "samesite=lax", "SameSite is not Lax")
    is_https = urlsplit(str(response.request.url)).scheme == "https"
    require(("secure" in flags) == is_https, "Secure does not follow the scheme")
    return "session in Redis, opaque, under a new id; cookie " + "; ".join(sorted(flags.values()))
