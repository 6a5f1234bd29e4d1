"""Uploads in Chromium: straight to the S3 server, past Django.

PENTAD_UPLOAD_MB is the size of the large file; PENTAD_UPLOAD_SCREENSHOTS names a folder for pictures.
"""

import hashlib
import os
import threading
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from counting_proxy import CountingProxy
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.test import Client
from library.models import Document
from playwright.sync_api import expect

MIB = 1024 * 1024
SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 900}}
PATIENCE = 120_000  # milliseconds; what is waited for is always an event

pytestmark = pytest.mark.django_db(transaction=True)
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module", autouse=True)
def _driver_loop():
    # While playwright drives, its event loop runs in this thread; Django takes that for a view under ASGI.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture
def site(live_server, settings):
    """Django behind a proxy that counts what it is sent."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    with CountingProxy(live_server.url.removeprefix("http://")) as running:
        yield running


@pytest.fixture
def media(configure, proxy, site, s3_bucket, s3_service):
    """The storage that receives uploads in parts of 5 MiB; `proxy` stands between the browser and its server."""
    configure_media(configure, site, s3_bucket, proxy.endpoint)
    storages["default"].initialize_bucket(s3_bucket)
    return storages["default"]


def configure_media(configure, site, bucket, outside):
    configure(
        MINIO_INCOMING_PREFIX="incoming/",
        MINIO_MULTIPART_THRESHOLD=5 * MIB,
        MINIO_MULTIPART_PART_SIZE=5 * MIB,
        MINIO_EXTERNAL_ENDPOINT=outside,
        MINIO_EXTERNAL_ENDPOINT_USE_HTTPS=False,
        MINIO_BUCKETS={
            bucket: {
                "cors": [{"origins": [f"http://{site.endpoint}"], "methods": ["POST", "PUT"], "headers": ["*"]}],
                "lifecycle": [{"prefix": "incoming/", "expire_days": 2, "abort_uploads_days": 2}],
            }
        },
    )


@pytest.fixture
def open_page(chromium, site, media):
    """Open a page of the site as its administrator; errors of scripts and of the page's policy fail the test."""
    contexts, errors = [], []

    def heard(message):
        if "Content Security Policy" in message.text:
            errors.append(message.text)

    def open_page(path="/documents/", **options):
        context = chromium.new_context(base_url=f"http://{site.endpoint}", **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        client = Client()
        client.force_login(User.objects.get_or_create(username="ada", is_staff=True, is_superuser=True)[0])
        for name, morsel in client.cookies.items():
            context.add_cookies([{"name": name, "value": morsel.value, "url": f"http://{site.endpoint}/"}])
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", heard)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def file(tmp_path):
    """A function that makes a file of random bytes."""

    def make(name, size):
        path = tmp_path / name
        with path.open("wb") as out:
            for start in range(0, size, MIB):
                out.write(os.urandom(min(MIB, size - start)))
        return path

    return make


class Gate:
    """Holds up the parts of an upload until it is opened."""

    def __init__(self, proxy):
        self._open, self.reached = threading.Event(), threading.Event()
        proxy.before = self._pass

    def _pass(self, request):
        if "partNumber" in request.path and request.command == "PUT":
            self.reached.set()
            assert self._open.wait(PATIENCE / 1000)

    def open(self):
        self._open.set()


@pytest.fixture
def gate(proxy):
    gate = Gate(proxy)
    yield gate
    gate.open()


def rows(page, state):
    return page.locator(f".direct-upload-files > li[data-state={state}]")


def choose(page, *paths):
    page.set_input_files("input[type=file]", [str(path) for path in paths])


def parts_sent(proxy):
    return [path for method, path, _ in proxy.requests if method == "PUT" and "partNumber" in path]


def peak_memory():
    """The most memory this process has had since it was last asked, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1]) * 1024


def test_a_large_file_goes_past_django(open_page, configure, media, s3_bucket, s3_service, site, file):
    """The file arrives whole; Django is sent a few kilobytes, sends its server none of them, and needs no memory."""
    configure_media(configure, site, s3_bucket, s3_service.endpoint)  # no proxy: this process is only Django
    path = file("film.mp4", int(os.environ.get("PENTAD_UPLOAD_MB", "12")) * MIB)
    page = open_page()
    peak_memory()
    before = peak_memory()
    choose(page, path)
    expect(rows(page, "done")).to_have_count(1)
    page.click("text=Save")
    expect(page.locator("body")).to_have_text("documents/film.mp4")
    grown = peak_memory() - before
    assert site.bytes_up < 64 * 1024 and grown < 8 * MIB, (site.bytes_up, grown)
    stored = Document.objects.get().file
    digest = hashlib.sha256()
    for chunk in stored.chunks():
        digest.update(chunk)
    assert digest.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_lost_connections_are_made_good(open_page, proxy, file, media):
    """A part or a whole file whose connection breaks, or for which there is no time, is sent again; nothing else is."""
    faults = {"partNumber=2": ["drop request", "refuse 503"], "partNumber=3": ["lose answer"], "POST": ["drop request"]}

    def fault(request):
        what = f"{request.command} {request.path}"
        wanted = next((left for part, left in faults.items() if part in what and request.command != "OPTIONS"), [])
        return wanted.pop(0) if wanted else None

    proxy.fault = fault
    page = open_page("/albums/")
    content = file("a.bin", 11 * MIB)
    choose(page, content, file("b.txt", 1000))
    expect(rows(page, "done")).to_have_count(2)
    expect(page.locator(".direct-upload-said")).to_contain_text("is uploaded.")
    numbers = sorted(path.partition("partNumber=")[2][0] for path in parts_sent(proxy))
    assert numbers == ["1", "2", "2", "2", "3", "3"] and proxy.methods.count("POST") == 2
    page.click("text=Save")
    expect(page.locator("body")).to_have_text("a.bin, b.txt")
    arrived = max(media.client.list_objects(media.bucket, "incoming/", recursive=True), key=lambda each: each.size)
    assert media.open(arrived.object_name).read() == content.read_bytes()


def test_a_failed_upload_goes_on_where_it_was(open_page, proxy, file):
    """After a failure the row says so, the form is not sent, and trying again sends only what is missing."""
    proxy.fault = lambda request: "refuse 404" if request.command == "PUT" and "partNumber=2" in request.path else None
    page = open_page()
    choose(page, file("a.bin", 6 * MIB))
    expect(rows(page, "failed")).to_have_count(1)
    page.click("text=Save")
    expect(page.get_by_role("button", name="Try to upload a.bin again")).to_be_focused()
    expect(page.locator(".direct-upload-note")).to_contain_text("was not sent")
    proxy.fault = None
    proxy.reset()
    page.keyboard.press("Enter")
    expect(rows(page, "done")).to_have_count(1)
    assert len(parts_sent(proxy)) == 1
    page.click("text=Save")
    expect(page.locator("body")).to_have_text("documents/a.bin")


def test_a_form_waits_for_its_uploads(open_page, gate, proxy, file):
    """Sent too early, the form is held back and then sent by itself, with the button that was pressed."""
    page = open_page()
    choose(page, file("a.bin", 5 * MIB))
    expect(rows(page, "sending")).to_have_count(1)
    page.click("text=Save")
    expect(page.locator(".direct-upload-note")).to_have_text("The form is sent as soon as all files are uploaded.")
    gate.open()
    expect(page.locator("body")).to_have_text("documents/a.bin")


def test_an_upload_can_be_cancelled_with_the_keyboard(open_page, gate, media, site, file):
    """Tab leads from the input to the button; cancelled, focus is back at the input and the server has nothing."""
    page = open_page()
    choose(page, file("a.bin", 5 * MIB))
    assert gate.reached.wait(PATIENCE / 1000)
    page.focus("input[type=file]")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel the upload of a.bin")).to_be_focused()
    with page.expect_response("**/uploads/abort/") as answer:
        page.keyboard.press("Enter")
    assert answer.value.status == 200
    expect(page.locator("input[type=file]")).to_be_focused()
    expect(page.locator(".direct-upload-files > li")).to_have_count(0)
    assert page.evaluate("document.querySelector('input[type=file]').required")
    assert list(media.client.list_objects(media.bucket, recursive=True)) == []


def test_without_javascript_django_takes_the_file(open_page, file, proxy):
    """The input is an ordinary one for a browser that runs no scripts."""
    page = open_page(java_script_enabled=False)
    choose(page, file("plain.txt", 1000))
    page.click("text=Save")
    expect(page.locator("body")).to_have_text("documents/plain.txt")
    assert proxy.requests == []


def test_axe_finds_nothing_wrong(open_page, gate, file):
    """On its way, uploaded and refused, in both colour schemes, on a phone and on a desk, without a violation."""
    page = open_page("/albums/")
    names = ("holiday-on-the-lake.jpg", "a-rather-long-name-of-a-film-from-last-summer.mp4", "third.png")
    paths = [file(name, size) for name, size in zip(names, (1_000, 5 * MIB, 10), strict=True)]
    choose(page, *paths)
    expect(rows(page, "failed").locator(".direct-upload-state")).to_contain_text("At most 2 files")
    expect(rows(page, "done")).to_have_count(1)
    expect(rows(page, "sending")).to_have_count(1)
    assert gate.reached.wait(PATIENCE / 1000)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size, viewport in SIZES.items():
            page.set_viewport_size(viewport)
            picture(page, f"album-{scheme}-{size}")
            assert violations(page) == []


def test_the_admin_shows_the_widget(open_page, file):
    """In the admin a file goes the same way, and a refused form keeps it."""
    page = open_page("/admin/library/document/add/")
    choose(page, file("a.txt", 1000))
    expect(rows(page, "done")).to_have_count(1)
    assert violations(page, ".direct-upload") == []
    picture(page, "admin")
    page.evaluate("document.querySelector('#id_title').removeAttribute('maxlength')")
    page.fill("#id_title", "far too long for a title")
    page.click("[name=_save]")
    expect(page.locator(".errornote")).to_have_count(1)
    expect(rows(page, "done")).to_have_count(1)
    page.fill("#id_title", "short")
    page.click("[name=_save]")
    expect(page.locator(".messagelist .success")).to_have_count(1)
    assert Document.objects.get().file.name == "documents/a.txt"


def violations(page, context="html"):
    """What axe-core finds wrong, in words."""
    found = Axe().run(page, context=context).response["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]], each["help"]) for each in found]


def picture(page, name):
    if folder := os.environ.get("PENTAD_UPLOAD_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
