"""What the admin makes of states: decoded by the application that recorded them, harmless, and without keys."""

import re
from html import unescape
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.urls import reverse
from eventsourcing.application import Application
from eventsourcing.cryptography import AESCipher
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Cipher
from eventsourcing.system import SingleThreadedRunner
from eventsourcing.utils import register_topic
from school import running
from school.applications import TrainingSchool, make_system

from eventsourcing_django.admin.applications import _configured_runner, _made
from eventsourcing_django.admin.decoding import fields
from eventsourcing_django.models import StoredEventRecord

ENV = {"PERSISTENCE_MODULE": "eventsourcing_django"}
HOSTILE = "</pre></table><script>alert('owned')</script><img src=x onerror=alert(1)>\"'&"


class Note(Aggregate):
    @event("Written")
    def __init__(self, text):
        self.text = text


class Notes(Application):
    name = "Notes"


class Talkative(Cipher):
    """A cipher whose errors tell its key."""

    def __init__(self, environment):
        self.key = environment.get("CIPHER_KEY")

    def encrypt(self, plaintext):
        return plaintext

    def decrypt(self, ciphertext):
        raise ValueError(f"cannot decrypt with {self.key}")


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no")


@pytest.fixture
def staff(client, transactional_db):
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def held(monkeypatch):
    """A function that makes an application one that the project holds."""

    def hold(application):
        monkeypatch.setattr(apps.get_app_config("school"), "held", application, raising=False)
        return application

    return hold


def pages(client, application_name):
    """Give the page of the newest event and the timeline of its aggregate."""
    row = StoredEventRecord.objects.filter(application_name=application_name).latest("id")
    change = client.get(reverse("admin:eventsourcing_django_storedeventrecord_change", args=[row.pk]))
    query = {"application_name": application_name, "originator_id": str(row.originator_id)}
    timeline = client.get(reverse("admin:eventsourcing_django_storedeventrecord_timeline"), query)
    assert (change.status_code, timeline.status_code) == (200, 200)
    return change.content.decode(), timeline.content.decode()


def test_states_are_decrypted_and_decompressed(staff, held):
    """With the keys of the application, which only it has."""
    key = AESCipher.create_key(32)
    compressed = {"COMPRESSOR_TOPIC": "eventsourcing.compressor:ZlibCompressor"}
    env = ENV | compressed | {"CIPHER_TOPIC": "eventsourcing.cipher:AESCipher", "CIPHER_KEY": key}
    held(Notes(env=env)).save(Note("a secret plan"))
    assert all("a secret plan" in page and key not in page for page in pages(staff, "Notes"))


def test_values_are_text_and_never_markup(staff, held):
    """Whoever can put text into an event does not put a script into the page of staff."""
    held(Notes(env=ENV)).save(Note(HOSTILE))
    for page in pages(staff, "Notes"):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(&#x27;owned&#x27;)&lt;/script&gt;" in page


def test_names_and_topics_are_text_as_well(staff):
    """They are columns, and whoever writes to the table chooses them."""
    row = {"application_name": "<b>bold</b>", "originator_version": 1, "topic": "<i>:</i>", "state": b"\x00<script>"}
    StoredEventRecord.objects.create(**row, originator_id="00000000-0000-0000-0000-000000000001")
    listed = staff.get(reverse("admin:eventsourcing_django_storedeventrecord_changelist")).content.decode()
    for page in (*pages(staff, "<b>bold</b>"), listed):
        assert "<b>bold" not in page
        assert "<i>" not in page
        assert not re.search("\x00|<script>[^\n]", page)


def test_an_application_that_is_not_known_is_named_with_what_to_do(staff):
    """The rows are shown all the same."""
    Notes(env=ENV).save(Note("unknown"))
    for page in pages(staff, "Notes"):
        assert "This process has no application called &#x27;Notes&#x27;" in page
        assert "EVENTSOURCING_ADMIN_APPLICATIONS" in page


def test_a_wrong_key_is_a_reason_and_no_error_of_the_server(staff, held):
    """The reason says what failed, and not what the keys are."""
    keys = [AESCipher.create_key(32) for _ in range(2)]
    encrypted = ENV | {"CIPHER_TOPIC": "eventsourcing.cipher:AESCipher"}
    Notes(env=encrypted | {"CIPHER_KEY": keys[0]}).save(Note("sealed"))
    held(Notes(env=encrypted | {"CIPHER_KEY": keys[1]}))
    for page in pages(staff, "Notes"):
        assert "MapperDeserialisationError: Failed to deserialise state" in page
        assert not [key for key in keys if key in page]


def test_a_key_in_an_error_is_not_shown(staff, held):
    """Even if the project's own cipher puts it there."""
    register_topic("talkative", Talkative)
    env = ENV | {"CIPHER_TOPIC": "talkative", "CIPHER_KEY": "tell-nobody-about-this"}
    held(Notes(env=env)).save(Note("sealed"))
    for page in pages(staff, "Notes"):
        assert "cannot decrypt with ***" in page
        assert "tell-nobody" not in page


def test_a_class_that_is_gone_is_a_reason(staff, held):
    """A renamed module breaks the topic of old events, which stay visible."""
    held(Notes(env=ENV)).save(Note("old"))
    StoredEventRecord.objects.update(topic="no_such_module:Note.Written")
    assert all("TopicError" in page for page in pages(staff, "Notes"))


def test_a_state_that_the_code_no_longer_accepts_is_a_reason(staff, held):
    """The event is decoded, and the aggregate says why it cannot become what it was."""
    held(Notes(env=ENV)).save(Note("first"))
    StoredEventRecord.objects.update(state=b'{"timestamp":"not a time","text":1,"unexpected":2}')
    _, timeline = pages(staff, "Notes")
    assert 'class="es-problem"' in timeline.partition("State at version 1")[2].partition("Events, the newest first")[0]


@pytest.mark.parametrize(
    ("zone", "time"),
    [("America/Chicago", "0001-01-01T00:00:00+00:00"), ("Pacific/Auckland", "9999-12-31T23:59:59+00:00")],
)
def test_a_time_at_the_end_of_the_calendar_is_shown(staff, held, settings, zone, time):
    """As it was recorded, where the time zone of the page has no such time."""
    settings.TIME_ZONE = zone
    held(TrainingSchool(env=ENV)).register("Fido")
    state = re.sub(
        rb'"_data_":"\d{4}-[^"]*"', f'"_data_":"{time}"'.encode(), bytes(StoredEventRecord.objects.get().state)
    )
    StoredEventRecord.objects.update(state=state)
    shown = time.replace("T", " ").replace("+", ".000+")
    assert all(shown in page for page in pages(staff, "TrainingSchool"))


def test_a_value_that_cannot_be_printed_is_described(staff, held, monkeypatch):
    """Neither an exception of its `__repr__` nor its size takes the page down."""
    application = held(Notes(env=ENV))
    application.save(Note("x" * 30_000))
    assert "(30,000 characters)" in pages(staff, "Notes")[0]
    to_domain_event = application.mapper.to_domain_event

    def with_unprintable(stored):
        decoded = to_domain_event(stored)
        vars(decoded)["text"] = Unprintable()
        return decoded

    monkeypatch.setattr(application.mapper, "to_domain_event", with_unprintable)
    assert "a Unprintable whose repr() raises RuntimeError" in pages(staff, "Notes")[0]


@pytest.mark.parametrize("text", [f"{HOSTILE}\n" * 30, HOSTILE * 100])
def test_a_long_value_is_folded(staff, held, text):
    """The page of an event and its timeline show how it begins, and all of it to whoever opens it, without a script."""
    application = held(Notes(env=ENV))
    application.save(Note(text))
    for page in pages(staff, "Notes"):
        (folded,) = re.findall("<details><summary>(.*?)</summary><pre>(.*?)</pre></details>", page, re.DOTALL)
        beginning, whole = map(unescape, folded)
        assert len(beginning) == 80
        assert (text.startswith(beginning.removesuffix("…")), whole) == (True, text)
        assert "<script>alert" not in page


def test_a_value_of_some_lines_is_not_folded(staff, held):
    """It is read at a glance."""
    held(Notes(env=ENV)).save(Note("a line\n" * 20))
    assert not [page for page in pages(staff, "Notes") if "<pre>a line" not in page or "<details><summary>a" in page]


def test_applications_of_a_runner_are_known(staff, held):
    """An AppConfig holds a runner, whose applications decode and whose followers have not begun."""
    runner = held(SingleThreadedRunner(make_system(), env=ENV))
    runner.get(TrainingSchool).register("Fido")
    assert all("Fido" in page for page in pages(staff, "TrainingSchool"))
    lag = staff.get(reverse("admin:eventsourcing_django_notificationtrackingrecord_changelist")).content.decode()
    assert "not begun" in lag


@pytest.fixture
def configured(settings):
    """Settings whose names are looked up anew."""
    yield settings
    for looked_up in (_configured_runner, _made):
        looked_up.cache_clear()


def make_notes():
    return Notes(env=ENV)


def test_applications_are_named_in_settings(staff, configured, monkeypatch):
    """As a path to a function, which is called once, whatever number of pages is shown."""
    make_notes().save(Note("named"))
    configured.EVENTSOURCING_ADMIN_APPLICATIONS = ["school.running.make_notes"]
    made = []
    monkeypatch.setattr(running, "make_notes", lambda: made.append(make_notes()) or made[-1], raising=False)
    assert all("named" in page for page in pages(staff, "Notes"))
    assert len(made) == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EVENTSOURCING_ADMIN_APPLICATIONS", ["no_such_module.application"], "ModuleNotFoundError"),
        ("EVENTSOURCING_ADMIN_APPLICATIONS", ["school.running.dict"], "ImportError"),
        ("EVENTSOURCING_ADMIN_APPLICATIONS", ["builtins.dict"], "is a dict, not an application"),
        ("EVENTSOURCING_RUNNER", "no_such_module.runner", "EVENTSOURCING_RUNNER: ModuleNotFoundError"),
    ],
)
def test_a_wrong_setting_is_said_on_the_pages(staff, configured, name, value, said):
    """And takes none of them down."""
    Notes(env=ENV).save(Note("there"))
    setattr(configured, name, value)
    assert all(said in page for page in pages(staff, "Notes"))


class Tally:
    """Counts how often it is asked for its text."""

    asked = 0

    def __repr__(self):
        Tally.asked += 1
        return "*"


@pytest.mark.parametrize("contain", [list, tuple, lambda items: dict(enumerate(items)), lambda items: [list(items)]])
def test_what_is_not_shown_of_a_huge_value_is_not_formatted(contain, monkeypatch):
    """A page does not take minutes because somebody has recorded a list of a million items."""
    monkeypatch.setattr(Tally, "asked", 0)
    (field,) = fields(SimpleNamespace(items=contain([Tally()] * 100_000)))
    assert field.text.endswith("... (and more)")
    assert Tally.asked < 20_000


def test_bytes_and_texts_inside_of_a_huge_value_are_cut():
    """Their beginning is enough."""
    (field,) = fields(SimpleNamespace(items={"one": b"x" * 10**8, "other": ["y" * 10**8]}))
    assert "b'xxx" in field.text
    assert "yyy" not in field.text


def test_a_value_that_contains_itself_is_shown():
    """As deep as anybody would look."""
    endless = []
    endless.append(endless)
    (field,) = fields(SimpleNamespace(items=endless))
    assert field.text.startswith("[[[[")
