"""No error, check or migration of the package shows a credential of its settings."""

import pprint
import sys
import traceback
import types

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from pentad_config import Secret
from pentad_config.exposure import exposures
from syzygy.migration_settings import MigrationSettings
from syzygy.quorum import get_backend
from syzygy.quorum.backends.base import QuorumBase
from syzygy.quorum.backends.cache import CacheQuorum

PASSWORD = "hunter2-hunter2-hunter2"
CACHE = "syzygy.quorum.backends.cache.CacheQuorum"
LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": f"redis://:{PASSWORD}@host"}

WRONG = {
    "an unknown option": {"backend": CACHE, "password": PASSWORD},
    "an unknown alias": {"backend": CACHE, "alias": "nowhere", "member_timeout": PASSWORD},
    "a backend that is not there": {"backend": "no.such.Backend", "url": f"redis://:{PASSWORD}@host"},
    "no backend": {"url": f"redis://:{PASSWORD}@host"},
    "a bad number": {"backend": CACHE, "member_timeout": Secret(PASSWORD)},
    "no mapping": [f"redis://:{PASSWORD}@host"],
    "a backend that quotes what it was given": {"backend": "quoting.Backend", "url": f"redis://:{PASSWORD}@host"},
    "a backend that needs more": {"backend": "quoting.Backend", "password": PASSWORD, "ulr": PASSWORD},
}


class Quoting(QuorumBase):
    """A backend as somebody else writes it, with a helpful error."""

    def __init__(self, url, password=""):
        raise ImproperlyConfigured(f"{url} cannot be reached with {password}")

    join = poll = sever = None


@pytest.fixture(autouse=True)
def _quoting(monkeypatch):
    monkeypatch.setitem(sys.modules, "quoting", types.SimpleNamespace(Backend=Quoting))


def variables(error):
    """The local variables of our own functions, as a traceback shows them."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals["__name__"].partition(".")[0] in {"syzygy", "pentad_config"}:
            yield repr(frame.f_locals)


@pytest.mark.parametrize("case", WRONG)
def test_an_error_about_the_quorum_setting_names_options_and_no_values(case):
    """Also the errors that caused it, and the system checks."""
    with override_settings(MIGRATION_QUORUM_BACKEND=WRONG[case], CACHES={"default": LOCAL}):
        with pytest.raises(ImproperlyConfigured) as caught:
            get_backend()
        checked = " ".join(f"{message} {message!r}" for message in run_checks())
    errors = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert PASSWORD not in " ".join(f"{error} {error!r}" for error in errors) + checked
    shown = list(variables(caught.value))
    assert shown
    assert PASSWORD not in " ".join(shown)


def test_the_declared_options_are_shown_by_name_only():
    """Whoever prints the settings or the declaration sees which options there are."""
    with override_settings(MIGRATION_QUORUM_BACKEND=WRONG["an unknown alias"]):
        found = MigrationSettings.current()
    assert found.quorum_backend.options["member_timeout"] == PASSWORD
    shown = (
        repr(found) + repr(found.explain()) + repr(found.quorum_backend) + pprint.pformat(vars(found.quorum_backend))
    )
    assert "<options alias, member_timeout>" in shown
    assert PASSWORD not in shown
    assert exposures(found, PASSWORD, "syzygy") == []


def test_a_backend_holds_no_credential_of_the_cache_it_uses():
    """It knows the alias only."""
    with override_settings(CACHES={"default": LOCAL}):
        backend = CacheQuorum()
        assert exposures(backend, PASSWORD, "syzygy") == []
        assert PASSWORD not in repr(backend) + pprint.pformat(vars(backend))
