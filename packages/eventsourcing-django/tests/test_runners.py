"""Finding the project's runner."""

import pytest
from django.apps import apps
from eventsourcing.system import SingleThreadedRunner, System
from school.running import RUNNER

from eventsourcing_django.management.commands.sync_followers import get_eventsourcing_runner


def make_runner():
    return SingleThreadedRunner(System([]))


@pytest.fixture
def config():
    """The configuration of an app, without a runner."""
    config = apps.get_app_config("school")
    before = dict(vars(config))
    yield config
    vars(config).clear()
    vars(config).update(before)


def test_the_only_runner_of_all_apps_is_found(config):
    """Whatever its attribute is called."""
    config.whatever = make_runner()
    assert get_eventsourcing_runner() is config.whatever


def test_the_same_runner_under_two_names_is_one(config):
    """Two names for it leave no doubt."""
    config.one = config.other = make_runner()
    assert get_eventsourcing_runner() is config.one


def test_no_runner_is_an_error(config):
    """The error says where it was looked for, and private attributes do not count."""
    config._private = make_runner()
    with pytest.raises(ValueError, match=r"No runner found in Django apps\."):
        get_eventsourcing_runner()


def test_two_runners_are_an_error(config):
    """The error says how many, and how to choose."""
    config.one, config.other = make_runner(), make_runner()
    with pytest.raises(ValueError, match=r"Found more than one \(2\) runner in Django apps\. .*EVENTSOURCING_RUNNER"):
        get_eventsourcing_runner()


def test_the_setting_names_an_attribute_of_an_app(config, settings):
    """The part before the last dot is an app's label."""
    config.one, config.other = make_runner(), make_runner()
    settings.EVENTSOURCING_RUNNER = "school.other"
    assert get_eventsourcing_runner() is config.other


def test_the_setting_names_a_function(settings):
    """The part before the last dot is a module; the function is called without arguments."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    RUNNER["runner"] = make_runner()
    assert get_eventsourcing_runner() is RUNNER["runner"]


@pytest.mark.parametrize("value", ["runner", "", ".runner", "school.", 7])
def test_a_setting_without_two_parts_is_an_error(settings, value):
    """The error shows the value and the two forms that are understood."""
    settings.EVENTSOURCING_RUNNER = value
    with pytest.raises(ValueError, match=r"app_label\.attribute"):
        get_eventsourcing_runner()


def test_something_else_than_a_runner_is_an_error(config, settings):
    """The error names its type."""
    config.runner = "not a runner"
    settings.EVENTSOURCING_RUNNER = "school.runner"
    with pytest.raises(ValueError, match="a str, not a Runner"):
        get_eventsourcing_runner()


def test_a_missing_module_is_an_error_that_names_the_setting(settings):
    """The import error is kept, with a note."""
    settings.EVENTSOURCING_RUNNER = "no_such_app.runner"
    with pytest.raises(ModuleNotFoundError) as caught:
        get_eventsourcing_runner()
    assert "EVENTSOURCING_RUNNER" in caught.value.__notes__[0]


def test_a_missing_attribute_is_an_error(settings):
    """Of an app, and of a module."""
    for value in ("school.missing", "school.running.missing"):
        settings.EVENTSOURCING_RUNNER = value
        with pytest.raises(AttributeError, match="missing"):
            get_eventsourcing_runner()
