"""What a running portal shows to people in Chromium, and to strangers at its ports.

It starts with the data that a scripted visit has left. PORTAL_SCREENSHOTS names a folder for a picture of each page.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import files
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from portal_process import DEMO, ENDS, assert_none_left, environment_of, marked_processes, portal, read_until

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
PICTURES = os.environ.get("PORTAL_SCREENSHOTS")
PATIENCE = 120_000  # milliseconds; what is waited for is always an event
# What Chromium says of a page that is meant to answer with such a status.
ANSWERED = re.compile(r"Failed to load resource: the server responded with a status of 4")
# All rules once, those about colours in both schemes. No preloading: the pages' policy lets nobody fetch their style.
_JUDGE = {"preload": False, "resultTypes": ["violations"]}
AXE = {"light": _JUDGE, "dark": _JUDGE | {"runOnly": ["color-contrast"]}}
DATA_SET = re.compile(r"/catalogue/[0-9a-f-]{36}/$")
MARK = f"pages-{os.getpid()}"

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes through /proc")
expect.set_options(timeout=PATIENCE)


@dataclass
class Site:
    """A running portal: its process, address, folder of data, and the passwords of ada and grace."""

    process: subprocess.Popen
    url: str
    data: Path
    passwords: dict[str, str]

    @property
    def secrets(self) -> Path:
        return self.data / "portal" / "secrets"


@pytest.fixture(scope="module")
def site(visit):
    """A portal that somebody has started to look at, on data that are there; the last test ends it."""
    with portal("--data", str(visit.data), mark=MARK) as process:
        said = "".join(read_until(process, lambda line: "Ctrl-C stops everything" in line))
        url = re.search(r"The portal is up after .*: (http\S+)", said)[1]
        passwords = dict(re.findall(r"^(ada|grace) +(\S+)", said, re.MULTILINE))
        yield Site(process, url, visit.data, passwords)


class Walk:
    """A visitor who looks at each page on a desk's and a phone's width, in light and in dark."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        self._axe = Axe().axe_script
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("console", self._hear)

    def _hear(self, message):
        if message.type in {"error", "warning"} and not ANSWERED.match(message.text):
            self.faults.append(f"{self.page.url}: {message.text}")

    def open(self, path: str, name: str, status: int = 200) -> None:
        answer = self.page.goto(path)
        assert answer.status == status, f"{path}: {answer.status}"
        self.look(name)

    def look(self, name: str, part: str = "html") -> None:
        """Judge the page as it stands; axe only the part that is ours."""
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            wider = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wider > 0:
                self.faults.append(f"{name}: {wider} pixels wider than {width}")
            for scheme in SCHEMES if PICTURES else ():
                self.page.emulate_media(color_scheme=scheme)
                self.page.screenshot(path=f"{PICTURES}/{name}-{width}-{scheme}.png", full_page=True)
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme)
            self._judge(name, scheme, part)

    def _judge(self, name: str, scheme: str, part: str) -> None:
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(self._axe)
        found = self.page.evaluate("([part, options]) => axe.run(part, options)", [part, AXE[scheme]])["violations"]
        self.faults += [f"{name}, {scheme}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.fixture
def walk(site, chromium):
    """A new visitor; whatever was wrong with a page fails the test."""
    # Without transitions: a colour on its way from one scheme to the other is none of either.
    context = chromium.new_context(base_url=site.url, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    visitor = Walk(context.new_page())
    yield visitor
    context.close()
    assert visitor.faults == []


def sign_in(walk: Walk, name: str, password: str) -> None:
    walk.page.goto("/sign-in?next=/catalogue/")
    walk.page.get_by_label("Name").fill(name)
    walk.page.get_by_label("Password").fill(password)
    walk.page.get_by_role("button", name="Sign in").click()
    walk.page.wait_for_url("**/catalogue/")


def test_the_pages_for_everybody(walk):
    """Nothing is wider than the window, no script or policy complains, and axe finds no fault with any page."""
    walk.open("/", "front")
    walk.open("/catalogue/", "catalogue")
    expect(walk.page.get_by_role("link", name="Palmer penguins, simplified")).to_be_visible()  # of the visit before
    walk.page.get_by_role("link", name="Palmer Archipelago penguins").click()
    walk.page.wait_for_url(DATA_SET)
    walk.look("open-data-set")
    walk.page.get_by_role("link", name="What each step changed").click()
    walk.page.wait_for_url("**/timeline")
    walk.look("timeline")
    walk.open("/catalogue/?q=nothing+like+it", "nothing-found")
    walk.open("/status", "status")
    walk.open("/notebooks", "notebooks")
    walk.open("/signed-out", "signed-out")
    walk.open("/nowhere", "not-found", status=404)
    walk.open("/sign-out", "refused-method", status=405)
    walk.open("/sign-in", "sign-in")
    walk.page.get_by_label("Name").fill("ada")
    walk.page.get_by_label("Password").fill("not this")
    walk.page.get_by_role("button", name="Sign in").click()
    expect(walk.page.get_by_role("alert")).to_be_visible()
    walk.look("sign-in-refused")


def penguins() -> Path:
    found = next(file for file in files("palmerpenguins") or [] if file.name == "penguins.csv")
    return Path(str(found.locate()))


@contextmanager
def held_back(page: Page, address: str):
    """Requests to this address wait for the end of the block."""
    waiting = []
    page.route(address, lambda route: waiting.append(route))  # noqa: PLW0108 - playwright marks what it is given
    yield
    for route in waiting:
        route.continue_()
    page.unroute(address)


def test_a_deposit_from_the_upload_to_the_approval(walk, site, chromium):
    """The script sends the chosen file past the catalogue and says so; both people see what they have to do next."""
    sign_in(walk, "ada", site.passwords["ada"])
    walk.open("/catalogue/new", "deposit")
    walk.page.get_by_label("Title").fill("Palmer penguins")
    with held_back(walk.page, "**/catalogue/uploads/start/"):
        walk.page.get_by_label("Data file").set_input_files(penguins())
        expect(walk.page.locator("li[data-state=sending]")).to_be_visible()
        walk.look("deposit-sending")
    expect(walk.page.locator("li[data-state=done]")).to_contain_text("penguins.csv")
    walk.look("deposit-sent")
    with walk.page.expect_request("**/catalogue/new") as sent:
        walk.page.get_by_role("button", name="Register").click()
    assert len(sent.value.post_data_buffer) < 2000  # a token, not the file
    walk.page.wait_for_url("**/describe")
    walk.look("describe")
    walk.page.get_by_label("Keywords").fill(", ,")
    walk.page.get_by_label("Summary").fill("Size measurements for three species.")
    walk.page.get_by_role("button", name="Save the description").click()
    expect(walk.page.get_by_role("alert")).to_contain_text("Keywords")
    expect(walk.page).to_have_title(re.compile("^Error: "))
    walk.look("describe-refused")
    walk.page.get_by_label("Summary").fill("Size measurements for three species.")
    walk.page.get_by_label("Keywords").fill("penguins, body mass")
    walk.page.get_by_role("button", name="Save the description").click()
    walk.page.wait_for_url(DATA_SET)
    walk.look("described-data-set")
    walk.open("/catalogue/", "desk-of-ada")
    approve(walk, site, chromium)


def approve(walk: Walk, site: Site, chromium) -> None:
    walk.page.context.clear_cookies()
    sign_in(walk, "grace", site.passwords["grace"])
    walk.look("desk-of-grace")
    walk.page.get_by_role("link", name="Palmer penguins", exact=True).click()
    walk.page.wait_for_url(DATA_SET)
    walk.look("to-approve")
    token = walk.page.locator("[name=csrfmiddlewaretoken]").input_value()
    walk.page.get_by_role("button", name="Approve").click()
    expect(walk.page.get_by_role("link", name="Preview as CSV")).to_be_visible()
    late = {"csrfmiddlewaretoken": token, "summary": "Late.", "keywords": "late", "licence": "CC0-1.0"}
    answer = walk.page.request.post(f"{walk.page.url}describe", form=late, headers={"Origin": site.url})
    assert answer.status == 409
    assert f'href="{urlsplit(walk.page.url).path}">Back to the data set' in answer.text()
    walk.open("/status", "status-for-members")


EVENTS = "/catalogue/events/"
RECORDS = f"{EVENTS}eventsourcing_django/"


def test_a_curator_looks_into_the_events(walk, site):
    """From a data set's timeline to its events and states, from the menu to all events, from the status to the lag."""
    page = walk.page
    sign_in(walk, "grace", site.passwords["grace"])
    page.get_by_role("link", name="Palmer Archipelago penguins").click()
    page.get_by_role("link", name="What each step changed").click()
    page.get_by_role("link", name="in the event browser").click()
    expect(page.get_by_role("heading", name="State at version 3")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Dataset.Approved.*approved_by = data-office"))).to_be_visible()
    expect(page.get_by_role("row", name="state (changed) approved")).to_be_visible()
    walk.look("events-of-a-data-set")
    page.get_by_role("link", name="2", exact=True).first.click()
    expect(page.get_by_role("heading", name="State at version 2")).to_be_visible()
    expect(page.get_by_role("row", name="state (changed) described")).to_be_visible()

    page.get_by_role("link", name="Catalogue").click()
    page.get_by_role("navigation").get_by_role("link", name="Events").click()
    walk.look("events")
    expect(page.get_by_role("rowheader")).to_have_text(["Notification trackings", "Snapshots", "Stored events"])
    page.get_by_role("link", name="Stored events").click()
    walk.look("event-list")
    page.get_by_role("link", name="Dataset.Approved").click()
    topics = page.locator("td.field-short_topic")
    expect(topics.first).to_have_text("Dataset.Approved")
    assert set(topics.all_inner_texts()) == {"Dataset.Approved"}
    page.locator("th.field-id a").first.click()
    expect(page.locator(".field-decoded_state")).to_contain_text("approved_by")
    walk.look("event")
    walk.open(f"{RECORDS}snapshotrecord/", "snapshots")
    page.locator("th.field-uid a").first.click()
    expect(page.locator(".field-decoded_state")).to_contain_text("described")
    walk.look("snapshot")

    walk.open("/status", "status-for-curators")
    expect(page.get_by_role("row", name=re.compile(r"Curation feed.* read ([\d,]+) of \1 events"))).to_be_visible()
    page.get_by_role("link", name="how far the follower is behind").click()
    cells = page.get_by_role("row", name="SearchFeed").get_by_role("cell")
    expect(cells.first).to_have_text("Curation")
    _, position, newest, lag = cells.all_inner_texts()
    assert (position, lag) == (newest, "0")
    walk.look("followers")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/signed-out")


def test_the_event_browser_opens_to_no_one_else(walk, site):
    """A member is refused on a page of the portal; a stranger signs in first, and comes to the page that was wanted."""
    filtered = f"{RECORDS}storedeventrecord/?application_name=Curation"
    walk.page.goto(filtered)
    walk.page.get_by_label("Name").fill("grace")
    walk.page.get_by_label("Password").fill(site.passwords["grace"])
    walk.page.get_by_role("button", name="Sign in").click()
    walk.page.wait_for_url(f"**{filtered}")
    expect(walk.page.get_by_role("link", name="Clear all filters")).to_be_visible()
    walk.page.context.clear_cookies()
    sign_in(walk, "ada", site.passwords["ada"])
    expect(walk.page.get_by_role("navigation").get_by_role("link", name="Events")).to_have_count(0)
    walk.open(EVENTS, "events-refused", status=403)
    expect(walk.page.get_by_role("heading", name="Not allowed")).to_be_visible()
    for path in ("", "storedeventrecord/", "storedeventrecord/1/change/", "storedeventrecord/timeline/"):
        assert walk.page.request.get(f"{RECORDS}{path}").status == 403


NO_PAGE = {  # of Django's admin; and what no page leads to
    f"{EVENTS}login/": 404,
    f"{EVENTS}logout/": 404,
    f"{EVENTS}password_change/": 404,
    f"{EVENTS}auth/user/": 404,
    f"{EVENTS}r/1/1/": 404,
    f"{RECORDS}storedeventrecord/add/": 404,
    f"{RECORDS}storedeventrecord/1/delete/": 404,
    f"{RECORDS}storedeventrecord/1/history/": 404,
    f"{RECORDS}textstoredeventrecord/": 404,
    f"{RECORDS}storedeventrecord/%00/change/": 404,
    f"{RECORDS}storedeventrecord/timeline/?application_name=%27&originator_id=x": 404,
    f"{RECORDS}storedeventrecord/timeline/?originator_id=%00": 400,
    f"{RECORDS}storedeventrecord/?q=%00": 400,
    f"{RECORDS}storedeventrecord/?state__contains=a": 400,
    # These end at a list or at the first page, which say that there is nothing of the kind.
    f"{RECORDS}storedeventrecord/{10**30}/change/": 200,
    f"{RECORDS}storedeventrecord/x%2Fy/change/": 200,
    f"{RECORDS}storedeventrecord/time/?since=nonsense": 200,
    f"{RECORDS}storedeventrecord/?from=x": 200,
    f"{RECORDS}storedeventrecord/?from=x&e=1": 200,
    f"{RECORDS}storedeventrecord/?_popup=1&o=9&p=9&topic=%27&q=%ED%A0%80": 200,
}


def test_whatever_is_asked_of_the_event_browser_is_answered_on_a_page(walk, site):
    """No address of it asks for a password, shows what is not there, or fails; nothing can be sent to any of them."""
    sign_in(walk, "grace", site.passwords["grace"])
    walk.page.goto("/catalogue/new")
    token = walk.page.locator("[name=csrfmiddlewaretoken]").input_value()
    answered = {}
    for path in NO_PAGE:
        answered[path] = walk.page.goto(path).status
        assert walk.page.get_by_role("heading", level=1).count() == 1, path
        assert walk.page.get_by_label("Password").count() == 0, path
        sent = walk.page.request.post(path, form={"csrfmiddlewaretoken": token}, headers={"Origin": site.url})
        assert sent.status in {404, 405}, path
    assert answered == NO_PAGE


COUNT = """
import json, sys
import django
django.setup()
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from portal.identity import IdentityHeader, Visitor
from portal.settings import catalogue_settings

header = IdentityHeader(catalogue_settings().signing_keys)
counts = {}
for path in sys.argv[1:]:
    issued = header.issue(Visitor("grace", "Grace", "curator"), "GET", path.partition("?")[0], "")
    with CaptureQueriesContext(connection) as queries:
        answer = Client(SERVER_NAME="127.0.0.1").get(path, headers={"X-Portal-Identity": issued})
    counts[path] = [answer.status_code, len(queries)]
print(json.dumps(counts))
"""


def test_pages_of_the_event_browser_take_the_queries_that_the_package_promises(site):
    """Five with a session and a user; the portal's visitor is in no table, which leaves three."""
    with psycopg.connect((site.secrets / "database_url").read_text()) as database:
        (originator_id,) = database.execute("SELECT originator_id FROM stored_events WHERE id = 1").fetchone()
    one = f"application_name=Curation&originator_id={originator_id}&version=2"
    lists = ["", "?application_name=Curation", f"?q={originator_id}", "?topic=x"]
    paths = [f"{RECORDS}storedeventrecord/{page}" for page in [*lists, "1/change/", f"timeline/?{one}"]]
    paths += [EVENTS, RECORDS, f"{RECORDS}snapshotrecord/", f"{RECORDS}notificationtrackingrecord/"]
    environment = {"PYTHONPATH": str(DEMO.parent), "DJANGO_SETTINGS_MODULE": "portal.catalogue.settings"}
    counting = shlex.join([sys.executable, "-c", COUNT, *paths])
    script = f"set -a; . {site.data}/portal/portal.env; set +a; {counting}"
    printed = subprocess.run(["sh", "-c", script], env=os.environ | environment, stdout=subprocess.PIPE, check=True)
    counts = json.loads(printed.stdout)
    assert [status for status, _ in counts.values()] == [200] * len(paths)
    assert max(number for _, number in counts.values()) == 3, counts


FORM = "#moss_form"


def test_a_notebook_from_a_profile_to_its_stop(walk, site, chromium):
    """A profile fills in the form; both sites tell the time that is left; what was kept is offered afterwards."""
    page, before = walk.page, slurm("squeue", "-h")
    sign_in(walk, "ada", site.passwords["ada"])
    page.goto("/notebooks")
    page.get_by_role("link", name="Model training").click()
    expect(page.get_by_label("Memory in GB")).to_have_value("32")
    walk.look("spawn-profile", FORM)
    page.get_by_text("Link to these choices").click()
    expect(page.locator("#share_link")).to_have_value(re.compile("^http"))
    open_link_as_grace(chromium, site, page.locator("#share_link").input_value())
    page.get_by_role("link", name="First look").click()
    expect(page.locator("#simple_tab_link")).to_have_attribute("aria-selected", "true")
    walk.look("spawn-simple", FORM)
    page.get_by_text("Keep these choices under a name").click()
    page.locator("#keep_as").fill("Penguin counts")
    assert slurm("squeue", "-h") == before  # neither profile nor link has started anything
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/user/ada/lab**")
    walk.open("/notebooks", "notebooks-while-a-server-runs")
    expect(page.get_by_role("status")).to_have_text(LEFT_AT_PORTAL)
    page.get_by_role("link", name="Stop it at the hub").click()
    expect(page.locator(".moss-left")).to_have_text(LEFT_AT_HUB)
    walk.look("hub-home", ".moss-left")
    page.wait_for_function("window._jupyterhub_page_loaded")
    page.get_by_role("button", name="Stop My Server").click()
    expect(page.get_by_role("button", name="Start My Server")).to_be_visible()
    expect(page.locator(".moss-left")).to_be_hidden()
    assert slurm("squeue", "-h") == before
    page.get_by_role("button", name="Start My Server").click()
    expect(page.get_by_role("link", name="Penguin counts")).to_be_visible()


LEFT_AT_PORTAL = re.compile(r"Your server is running and ends in (59\sminutes|1\shour)\.")
LEFT_AT_HUB = re.compile(r"Your server ends in (59 minutes|1 hour)\.")


def open_link_as_grace(chromium, site: Site, link: str) -> None:
    """She is asked who she is, and then shown the form, filled in."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Name").fill("grace")
    page.get_by_label("Password").fill(site.passwords["grace"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Memory in GB")).to_have_value("32")
    expect(page.locator(FORM)).to_contain_text("Nothing has been started yet")
    context.close()


def test_a_notebook_that_cannot_start(walk, site):
    """The form says what no node has before it is sent; of a job that died the page shows the last lines."""
    page = walk.page
    sign_in(walk, "ada", site.passwords["ada"])
    page.goto("/notebooks")
    page.get_by_role("link", name="First look").click()
    page.get_by_role("tab", name="Advanced").click()
    page.locator("#nprocs").fill("64")
    expect(page.locator("#moss_fit")).to_have_text("No node of this partition has 64 CPUs.")
    walk.look("spawn-impossible", FORM)
    page.locator("#nprocs").fill("1")
    page.get_by_label("Another environment").check()
    page.locator("#environment_add_path").fill("/no/such/environment/bin")
    page.get_by_label("Keep the server's log").check()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#progress-message")).to_contain_text("/no/such/environment/bin/batchspawner-singleuser")
    walk.look("job-died", "#progress-message")


def test_devices_and_the_queue(walk, site):
    """A member sees the own browsers, how full the cluster is, and, while a server waits, its place in the queue."""
    sign_in(walk, "ada", site.passwords["ada"])
    walk.open("/devices", "devices")
    for _ in range(2):  # one runs on the whole partition, the other waits; both end with the portal
        slurm("sbatch", *WHOLE_PARTITION)
    walk.open("/notebooks", "notebooks-for-members")
    walk.page.get_by_role("link", name="First look").click()
    walk.page.get_by_role("button", name="Start").click()
    expect(walk.page.locator("#progress-message")).to_contain_text("Place 2 in the queue of partition cpu")


def test_what_goes_wrong_is_told_on_a_page(walk, site):
    """A method that an address does not take, and a failure of the front door, answer with a page of the portal."""
    sign_in(walk, "ada", site.passwords["ada"])
    walk.page.goto("/catalogue/new")
    tokens = {
        name: walk.page.locator(f"[name={name}]").first.input_value() for name in ("csrfmiddlewaretoken", "form_token")
    }

    def send(path):
        return walk.page.request.post(path, form=tokens | {"name": "ada"}, headers={"Origin": site.url})

    for path, methods in (("/catalogue/", "GET, HEAD"), ("/status", "GET")):
        answer = send(path)
        assert (answer.status, answer.headers["allow"]) == (405, methods)
        assert "This address does not take such a request" in answer.text()
    accounts = site.data / "portal" / "accounts.json"
    known = accounts.read_text()
    accounts.write_text("nonsense")
    try:
        answer = send("/sign-in")
    finally:
        accounts.write_text(known)
    assert answer.status == 500
    assert "The front door failed at this" in answer.text()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


WHOLE_PARTITION = ("--partition=cpu", "--nodes=3", "--exclusive", "--output=/dev/null", "--wrap=sleep 600")


def slurm(*command: str) -> str:
    """What one of the Slurm commands of the portal prints."""
    hub = next(pid for pid, argv in marked_processes(MARK).items() if "-m jupyterhub" in argv)
    return subprocess.run(command, env=environment_of(hub), capture_output=True, check=True, text=True).stdout


def test_data_of_another_version_of_the_portal_are_refused_in_words(site):
    """The start says which migrations the database has that this version does not know, and what to do."""
    state = site.data / "portal"
    prepare = f"set -a; . {state}/portal.env; set +a; {sys.executable} {DEMO.parent}/manage.py prepare_catalogue"
    with psycopg.connect((site.secrets / "database_url").read_text(), autocommit=True) as database:
        database.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('datasets', '0009_other', now())")
        try:
            ended = subprocess.run(["sh", "-c", prepare], check=False, capture_output=True, text=True)
        finally:
            database.execute("DELETE FROM django_migrations WHERE name = '0009_other'")
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith(
        "CommandError: these data were made by another version of the portal: their database"
    )
    assert "has datasets.0009_other, which this version does not. Start them with that version" in ended.stderr


def listening_ports(mark: str) -> list[int]:
    """The TCP ports that the processes of this mark listen on."""
    inodes = set()
    for pid in marked_processes(mark):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(FileNotFoundError):
                inodes.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sorted(int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes)


def answer(port: int, said: bytes, patience: float) -> bytes:
    """What is answered to these bytes until the other side closes or falls silent for so many seconds."""
    got = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(said)
        while chunk := connection.recv(65536):
            got += chunk
    return got


def test_a_stranger_gets_no_data_from_any_port_of_the_demo(site):
    """Of sessions, private files and tables nothing is told to a local user who knows all ports and no password."""
    redis, postgres = (urlsplit((site.secrets / name).read_text()).port for name in ("redis_url", "database_url"))
    variables = (site.data / "portal" / "portal.env").read_text()
    s3 = int(re.search(r"^PORTAL_S3_ENDPOINT=\S+:(\d+)$", variables, re.MULTILINE)[1])
    ports = sorted({*listening_ports(MARK), redis})  # Valkey writes its title over the mark in its environment
    paths = ("/buckets/tern-point-private/", "/tern-point-private?list-type=2", "/dir/assign", "/tern-point-private/")
    said = [b"KEYS *\r\nQUIT\r\n", *(f"GET {path} HTTP/1.0\r\n\r\n".encode() for path in paths)]
    asked = [(port, words, 120 if port in {redis, s3} else 5) for port, words in product(ports, said)]
    with ThreadPoolExecutor(16) as pool:
        told = [*pool.map(answer, *zip(*asked, strict=True))]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{postgres}/tern-point")
    together = b"".join(told)
    assert len(ports) >= 15  # Redis, PostgreSQL, eight of SeaweedFS, front door, catalogue, three of the hub
    assert b"-NOAUTH" in together
    assert b"AccessDenied" in together
    for secret in (b"portal.session.", b"penguins.csv", b"<Contents>", b'"fid"'):
        assert secret not in together


def test_a_signal_stops_the_running_portal_with_exit_code_0(site):
    """SIGTERM stops a portal that is up, with everything it started and every job: no traceback, no process left."""
    site.process.send_signal(signal.SIGTERM)
    output, _ = site.process.communicate(timeout=ENDS)
    assert site.process.returncode == 0, output
    assert "Traceback" not in output
    assert_none_left(MARK)
