"""The command `sync_followers`."""

import re
from io import StringIO

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import CommandError, call_command
from django.db import connections
from eventsourcing.persistence import ProgrammingError
from eventsourcing.system import MultiThreadedRunner, SingleThreadedRunner, System
from school import applications
from school.applications import Celebrations, Counters, TrainingSchool, make_system
from school.models import EventCounter
from school.running import RUNNER

from eventsourcing_django.recorders import DjangoApplicationRecorder


@pytest.fixture
def env(alias):
    return {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias}


@pytest.fixture
def school(env):
    """An application whose events nobody has followed yet."""
    school = TrainingSchool(env=env)
    school.register("Fido")
    for number in range(12):
        school.add_trick("Fido", f"trick {number}")
    return school


@pytest.fixture
def runner(school, env, settings):
    """A runner that has not been started."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    RUNNER["runner"] = SingleThreadedRunner(make_system(), env=env)
    return RUNNER["runner"]


def sync(*arguments, **options):
    """Run the command and return what it wrote to its output, and to its error output."""
    out, err = StringIO(), StringIO()
    try:
        call_command("sync_followers", *arguments, stdout=out, stderr=err, no_color=True, **options)
    except CommandError as error:
        return out.getvalue(), err.getvalue(), error
    return out.getvalue(), err.getvalue(), None


def test_followers_process_every_event_they_have_not_seen(runner):
    """Every follower has processed every event afterwards, and the runner is started if it was not."""
    assert sync()[2] is None
    assert runner.get(Counters).count == 12
    assert runner.get(Celebrations).count == 12


def test_a_second_run_has_nothing_to_do(runner):
    """Events that have been processed are not processed again."""
    sync()
    output, _, _ = sync(verbosity=2)
    assert "0 from TrainingSchool" in output
    assert runner.get(Counters).count == 12


def test_a_follower_is_selected_by_name(runner):
    """Events reach a follower of the selected one as well, since the selected one has recorded new events."""
    output, _, _ = sync("Counters")
    assert "1 selected" in output
    assert "[1/1] Synchronizing Counters... OK" in output
    assert runner.get(Counters).count == 12
    assert runner.get(Celebrations).count == 12


def test_followers_given_events_by_a_later_one_are_synchronised_again(env, school, settings):
    """The order in which a system names its followers does not decide what arrives."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    system = System([[Counters, Celebrations], [TrainingSchool, Counters]])
    assert system.followers == ["Celebrations", "Counters"]
    RUNNER["runner"] = SingleThreadedRunner(system, env=env)
    sync()
    assert RUNNER["runner"].get(Celebrations).count == 12


def test_an_unknown_follower_is_an_error(runner):
    """The error names the unknown one and those that are known, and nothing is processed."""
    _, _, error = sync("Counters", "Cuonters")
    assert "Cuonters" in str(error)
    assert "Celebrations" in str(error)
    assert runner.get(Counters).count == 0


def test_verbosity_0_prints_nothing(runner):
    """Silence is what scheduled jobs want."""
    assert sync(verbosity=0) == ("", "", None)


def test_verbosity_2_counts_events_by_leader(runner):
    """The number of events is printed for each leader."""
    output, _, _ = sync(verbosity=2)
    assert "[1/2] Synchronizing Counters... 13 from TrainingSchool; OK" in output
    assert "[2/2] Synchronizing Celebrations... 13 from Counters; OK" in output


def test_a_dry_run_processes_everything_and_keeps_nothing(runner, alias):
    """Events and positions of all followers are as before, and a real run afterwards processes all of it."""
    output, _, _ = sync(dry_run=True, verbosity=2)
    assert "[2/2] Synchronizing Celebrations... 13 from Counters; OK (dry run)" in output
    assert runner.get(Counters).count == 0
    assert runner.get(Counters).recorder.max_tracking_id("TrainingSchool") is None
    assert runner.get(Celebrations).recorder.max_tracking_id("Counters") is None
    sync()
    assert runner.get(Celebrations).count == 12


def test_a_dry_run_forgets_cached_aggregates(school, env, settings):
    """An application that caches aggregates does not go on from versions that were rolled back."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    RUNNER["runner"] = runner = SingleThreadedRunner(
        make_system(), env=env | {"AGGREGATE_CACHE_MAXSIZE": "100", "AGGREGATE_CACHE_FASTFORWARD": "n"}
    )
    sync(dry_run=True)
    sync()
    assert runner.get(Counters).count == 12
    stored = runner.get(Counters).recorder.select_events(applications.Counter.create_id("Counters"))
    assert [event.originator_version for event in stored] == list(range(1, 14))


@pytest.mark.parametrize("exception", [ObjectDoesNotExist("no such dog"), ProgrammingError("no such trick")])
def test_a_failing_follower_fails_the_command_and_not_the_others(runner, monkeypatch, exception):
    """Its processed events stay, the other follower is synchronised, and the command ends with an error."""

    def fail_at_the_eighth(self, event):
        if event.originator_version == 9:
            raise exception

    monkeypatch.setattr(Counters, "process", fail_at_the_eighth)
    output, errors, error = sync()
    assert "[1/2] Synchronizing Counters... FAILED" in output
    assert "[2/2] Synchronizing Celebrations... OK" in output
    assert error.returncode == 1
    assert "Counters" in str(error)
    assert str(exception) not in errors
    assert runner.get(Counters).count == 7
    assert runner.get(Celebrations).count == 7
    monkeypatch.undo()
    assert sync()[2] is None
    assert runner.get(Counters).count == 12


def test_verbosity_2_says_what_failed(runner, monkeypatch):
    """The error's class and text are printed, and which event is the last one that was processed."""

    def fail(self, event):
        raise ObjectDoesNotExist("no such dog")

    monkeypatch.setattr(Counters, "process", fail)
    _, errors, _ = sync(verbosity=2)
    assert re.search(r"ObjectDoesNotExist: no such dog\nIt has processed TrainingSchool up to position \d", errors)


def test_a_defect_of_a_follower_is_shown_with_its_traceback(runner, monkeypatch):
    """An error that is none of the expected ones does not stop the others either, and shows where it comes from."""

    def fail(self, event):
        return 1 / 0

    monkeypatch.setattr(Counters, "process", fail)
    output, errors, error = sync()
    assert "in fail" in errors
    assert "ZeroDivisionError" in errors
    assert "Synchronizing Celebrations... OK" in output
    assert error is not None


def test_what_a_policy_writes_is_committed_with_its_event(runner, monkeypatch, alias):
    """A row written through the ORM while an event is processed is there if and only if the event is processed."""

    def write_then_fail_at_the_fifth(self, event):
        EventCounter.objects.using(alias).create(name=event.trick)
        if event.originator_version == 6:
            raise ObjectDoesNotExist

    monkeypatch.setattr(Counters, "process", write_then_fail_at_the_fifth)
    sync()
    assert EventCounter.objects.using(alias).count() == 4
    assert runner.get(Counters).count == 4


def test_a_dry_run_survives_a_failing_follower(runner, monkeypatch):
    """It reports the failure, and keeps nothing."""

    def fail_at_the_fifth(self, event):
        if event.originator_version == 6:
            raise ObjectDoesNotExist

    monkeypatch.setattr(Counters, "process", fail_at_the_fifth)
    output, _, error = sync(dry_run=True, verbosity=2)
    assert "5 from TrainingSchool; FAILED (dry run)" in output
    assert error is not None
    assert runner.get(Counters).count == 0


def test_a_dry_run_refuses_followers_outside_django(school, env, settings):
    """What a follower keeps elsewhere could not be rolled back, so nothing is processed at all."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    outside = {"CELEBRATIONS_PERSISTENCE_MODULE": "eventsourcing.popo"}
    RUNNER["runner"] = runner = SingleThreadedRunner(make_system(), env=env | outside)
    _, _, error = sync("Counters", dry_run=True)
    assert "Celebrations" in str(error)
    assert runner.get(Counters).count == 0


@pytest.mark.django_db(transaction=True, reset_sequences=True, databases=["default", "file"])
def test_a_dry_run_covers_followers_in_other_databases(settings):
    """A follower downstream, in another database, keeps nothing either."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "CELEBRATIONS_DJANGO_DB_ALIAS": "file"}
    school = TrainingSchool(env=env)
    school.register("Fido")
    school.add_trick("Fido", "sit")
    RUNNER["runner"] = runner = SingleThreadedRunner(make_system(), env=env)
    sync(dry_run=True)
    assert runner.get(Celebrations).recorder.using == "file"
    assert runner.get(Celebrations).recorder.max_notification_id() is None
    assert runner.get(Celebrations).recorder.max_tracking_id("Counters") is None
    sync()
    assert runner.get(Celebrations).count == 1


def test_prompts_work_again_after_the_command(runner, school):
    """A runner that lives on prompts its followers as before."""
    sync()
    runner.get(TrainingSchool).add_trick("Fido", "the thirteenth")
    assert runner.get(Celebrations).count == 13


def test_a_project_that_overrides_pull_and_process_is_called_through_it(runner, monkeypatch):
    """Followers with their own way of pulling keep it."""
    calls = []

    def pull_and_process(self, leader_name, start=None, stop=None):
        calls.append(leader_name)
        super(Counters, self).pull_and_process(leader_name, start, stop)

    monkeypatch.setattr(Counters, "pull_and_process", pull_and_process, raising=False)
    sync()
    assert calls == ["TrainingSchool"]
    assert runner.get(Counters).count == 12


@pytest.mark.django_db(transaction=True, reset_sequences=True, databases=["file"])
def test_multi_threaded_runners_are_synchronised_too(settings):
    """The command's own thread does the work, whatever the runner's threads do."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "file"}
    school = TrainingSchool(env=env)
    school.register("Fido")
    school.add_trick("Fido", "sit")
    RUNNER["runner"] = runner = MultiThreadedRunner(make_system(), env=env)
    sync()
    assert runner.get(Celebrations).count == 1
    runner.stop()


def test_other_applications_save_while_a_follower_is_synchronised(runner, env, alias, monkeypatch):
    """Nothing is locked between events: an application saves, and its events are processed too."""
    saved = []
    school = TrainingSchool(env=env)

    def save_another_trick(self, event):
        # Runs inside the follower's transaction, so on SQLite it must be on the same connection.
        if event.trick == "trick 3" and not saved:
            saved.append(True)
            school.add_trick("Fido", "in between")

    monkeypatch.setattr(Counters, "process", save_another_trick)
    sync()
    assert runner.get(Counters).count == 13
    assert isinstance(runner.get(Counters).recorder, DjangoApplicationRecorder)
    assert not connections[alias].in_atomic_block
