"""The admin's pages in Chromium, beside Django's own. PENTAD_ADMIN_SCREENSHOTS names a folder for pictures."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.apps import apps
from django.contrib.auth.models import User
from django.urls import reverse
from eventsourcing.persistence import Tracking
from school.applications import Dog, TrainingSchool

from eventsourcing_django.recorders import DjangoTrackingRecorder

SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
PATIENCE = 120_000  # milliseconds; what is waited for is always an event
PICTURES = os.environ.get("PENTAD_ADMIN_SCREENSHOTS")
LONG_TRICK = "fetch the newspaper from the far end of the garden"

each_size = pytest.mark.parametrize("size", SIZES)


@pytest.fixture(scope="module", autouse=True)
def _driver_loop():
    # While playwright drives, its event loop runs in this thread; Django takes that for a view under ASGI.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture
def school(transactional_db, monkeypatch):
    """An application that the project holds, with a dog that knows many tricks, and a follower that is behind."""
    school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django"})
    monkeypatch.setattr(apps.get_app_config("school"), "training_school", school, raising=False)
    school.register("Fido")
    for number in range(30):
        school.add_trick("Fido", f"{LONG_TRICK}, {number}")
    name = "FollowerWithANameOfThirtyTwoLett"
    DjangoTrackingRecorder(name).insert_tracking(Tracking("TrainingSchool", 1))
    return school


@pytest.fixture
def page(chromium, live_server, client, school, size):
    """A page of Chromium in which a superuser is logged in."""
    client.force_login(User.objects.create_superuser("root"))
    context = chromium.new_context(base_url=live_server.url, viewport=SIZES[size], reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    cookies = [{"name": name, "value": morsel.value, "url": live_server.url} for name, morsel in client.cookies.items()]
    context.add_cookies(cookies)
    yield context.new_page()
    context.close()


def address(name, **query):
    return reverse(f"admin:eventsourcing_django_{name}", query=query)


def timeline():
    query = {"application_name": "TrainingSchool", "originator_id": str(Dog.create_id("Fido"))}
    return address("storedeventrecord_timeline", **query)


def followers():
    return address("notificationtrackingrecord_changelist")


OWN_PAGES = [timeline, followers]
BREADCRUMBS = """() => {
    const elements = ['.breadcrumbs', '.breadcrumbs a'].map((each) => document.querySelector(each))
    const [box, link] = elements.map((each) => getComputedStyle(each))
    const [above, start] = elements.map((each) => each.getBoundingClientRect())
    return {
        padding: box.padding, margin: box.margin, background: box.backgroundColor, text: box.color,
        link: link.color, size: link.fontSize, across: start.left - above.left,
    }
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("own", OWN_PAGES)
@each_size
def test_breadcrumbs_look_like_those_of_other_pages(page, own, scheme):
    """Whichever way this version of Django marks up and styles its own; a separator stands between any two."""
    page.emulate_media(color_scheme=scheme)
    page.goto(address("snapshotrecord_changelist"))
    other = page.evaluate(BREADCRUMBS)
    page.goto(own())
    assert page.evaluate(BREADCRUMBS) == other
    after = "each => each.map(li => getComputedStyle(li, '::after').content.includes('\\u203a'))"
    *separated, last = page.locator(".breadcrumbs li").evaluate_all(after)
    assert (all(separated), last, len(separated) >= 2) == (True, False, True)


@pytest.mark.parametrize("own", OWN_PAGES)
@each_size
def test_no_fault_is_found_with_what_the_pages_show(page, own, size):
    """By axe, in both schemes; what is wider than a phone is scrolled by itself, with the keyboard as well."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(own())  # anew: colours on their way from one scheme to the other are those of neither
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{own.__name__}-{size}-{scheme}.png", full_page=True)
        found = Axe().run(page, context="#content-main").response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


@pytest.mark.parametrize("size", ["phone"])
def test_what_an_event_says_can_be_read_on_a_phone(page):
    """In lines of some words, not of one letter each."""
    page.goto(timeline())
    width, height = page.locator(".es-list td:last-child").first.evaluate("td => [td.offsetWidth, td.offsetHeight]")
    assert width >= 256
    assert height <= 100


@each_size
def test_a_long_state_is_folded_and_opens(page):
    """The events are in sight without it, and it opens by a click or a key, without a script."""
    page.goto(timeline())
    state = page.locator(".es-state")
    assert state.evaluate("table => table.offsetHeight") < 400
    text = state.locator("pre", has_text=f"{LONG_TRICK}, 29")
    assert not text.is_visible()
    state.locator("summary").press("Enter")
    text.wait_for(state="visible")
