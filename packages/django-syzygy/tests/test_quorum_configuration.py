"""The `MIGRATION_QUORUM_BACKEND` setting."""

import re

import pytest
from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from pentad_config import Secret
from syzygy.checks import check_quorum_backend, check_settings
from syzygy.quorum import get_backend, join_quorum, poll_quorum, sever_quorum
from syzygy.quorum.backends.base import QuorumBase
from syzygy.quorum.backends.cache import CacheQuorum

CACHE = "syzygy.quorum.backends.cache.CacheQuorum"
POSTGRES = "syzygy.quorum.backends.postgres.PostgresQuorum"
LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


class Picky(QuorumBase):
    """A backend as somebody else writes one: three methods, and options it dislikes."""

    def __init__(self, password="", hosts=()):
        if password == "hunter22":
            raise ValueError(f"bad password {password}")
        self.hosts = hosts

    def join(self, namespace, quorum):
        return True

    def poll(self, namespace, quorum):
        return True

    def sever(self, namespace, quorum):
        pass


class Demanding(Picky):
    """A backend with an option that must be given."""

    def __init__(self, hosts):
        super().__init__(hosts=hosts)


PICKY = f"{__name__}.Picky"


def configured(value):
    return override_settings(MIGRATION_QUORUM_BACKEND=value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "MIGRATION_QUORUM_BACKEND"),
        (5, "MIGRATION_QUORUM_BACKEND.*import path"),
        ({"alias": "default"}, "MIGRATION_QUORUM_BACKEND.*'backend'"),
        ("no.such.Backend", "'no.such.Backend'.*cannot be imported"),
        (f"{CACHE}s", f"cannot be imported. Did you mean {CACHE!r}"),
        ({"backend": CACHE, "alias": "nowhere"}, "no cache 'nowhere'"),
        ({"backend": CACHE, "alias": "defualt"}, "no cache 'defualt' in CACHES. Did you mean 'default'"),
        ({"backend": POSTGRES, "alias": "defualt"}, "no database 'defualt' in DATABASES. Did you mean 'default'"),
        ({"backend": CACHE, "member_timeout": 0}, "member_timeout"),
        ({"backend": CACHE, "aliass": "default"}, "no option 'aliass'. Did you mean 'alias'"),
        (POSTGRES, "not PostgreSQL"),
        (f"{__name__}.Demanding", "needs the option 'hosts'"),
        ("django.core.cache.caches.__class__", "cannot be imported"),
        ("collections.OrderedDict", "not a subclass"),
    ],
)
def test_wrong(value, words):
    """What is wrong with the setting is said by name, at its first use and before that by `manage.py check`."""
    with configured(value):
        with pytest.raises(ImproperlyConfigured, match=words):
            get_backend()
        messages = [*check_settings(), *check_quorum_backend()]
    if value is None:
        assert messages == [], "a project without --quorum needs no backend"
    else:
        (message,) = messages
        assert isinstance(message, Error)
        assert re.search(words, message.msg)
        assert message.obj == "settings"


def test_option_values_are_not_shown(monkeypatch):
    """An error names the options, never their values, also not through its cause."""
    monkeypatch.setitem(__import__("sys").modules, "picky_backend", __import__("types").SimpleNamespace(Picky=Picky))
    with (
        configured({"backend": "picky_backend.Picky", "password": "hunter22"}),
        pytest.raises(ImproperlyConfigured) as caught,
    ):
        get_backend()
    assert "'password'" in str(caught.value)
    assert "hunter22" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_built_once_for_a_setting(monkeypatch):
    """The backend is the same until the setting changes; options may be lists and secrets."""
    monkeypatch.setitem(__import__("sys").modules, "picky_backend", __import__("types").SimpleNamespace(Picky=Picky))
    options = {"backend": "picky_backend.Picky", "password": Secret("s3cret-value", name="quorum"), "hosts": ["a", "b"]}
    with configured(options):
        first = get_backend()
        assert get_backend() is first
        assert join_quorum("space", 2) is True
        assert poll_quorum("space", 2) is True
        assert sever_quorum("space", 2) is None
        assert first.leader_alive("space", 2) is None
    with configured({**options, "hosts": ["c"]}):
        assert get_backend() is not first


def test_cache_is_the_documented_one():
    """The path alone, or with options beside it, makes a cache quorum."""
    with override_settings(CACHES={"default": LOCAL, "quorum": LOCAL}):
        with configured(CACHE):
            assert isinstance(get_backend(), CacheQuorum)
        with configured({"backend": CACHE, "alias": "quorum", "timeout": 60, "version": 2}):
            assert get_backend().alias == "quorum"


def test_cache_that_keeps_nothing():
    """A dummy cache is refused instead of being waited for."""
    from syzygy.quorum import QuorumError

    dummy = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    with override_settings(CACHES=dummy), pytest.raises(QuorumError, match="does not keep"):
        CacheQuorum().join("space", 2)


def test_a_process_that_stood_still_blames_no_cache(monkeypatch):
    """A sign of life that has expired when it is looked at was kept as long as it was to be."""
    quorum, stood_still = CacheQuorum(member_timeout=20), []

    def beat(token):
        CacheQuorum._beat(quorum, token)
        if not stood_still:
            stood_still.append(token)
            quorum.cache.clear()

    monkeypatch.setattr(quorum, "_beat", beat)
    monkeypatch.setattr("syzygy.quorum.backends.cache.monotonic", lambda: 30 * len(stood_still))
    with override_settings(CACHES={"default": LOCAL}):
        assert quorum.join("stood-still", 1) is True
        quorum.close()
    assert stood_still


def test_a_command_without_a_usable_quorum(project):
    """`migrate --quorum` says in one line what is missing, and that SQLite holds no quorum about itself."""
    project.migration("0001_initial", "migrations.RunSQL('SELECT 1')")
    output = project.run("migrate", "--quorum", "2", status=1)
    assert output == f"CommandError: A quorum needs the setting MIGRATION_QUORUM_BACKEND, for example {POSTGRES!r}.\n"
    project.settings["MIGRATION_QUORUM_BACKEND"] = "syzygy.quorum.backends.database.DatabaseQuorum"
    output = project.run("migrate", "--quorum", "2", status=1)
    assert "CommandError: The quorum cannot be kept. The database 'default' is SQLite and can hold no quorum" in output
    assert "Traceback" not in output
