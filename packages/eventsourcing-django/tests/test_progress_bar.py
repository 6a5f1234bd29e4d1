"""The bar of `sync_followers` on a terminal."""

from io import StringIO

import pytest
from databases import on_database
from django.core.management import call_command
from eventsourcing.system import SingleThreadedRunner, System
from school.applications import Celebrations, Counters, TrainingSchool, make_system
from school.running import RUNNER

from eventsourcing_django import progress_bar


class Terminal(StringIO):
    """What a user sees in the end: a carriage return goes to the start of the line, and what follows overwrites."""

    def isatty(self):
        return True

    def lines(self):
        shown = []
        for line in self.getvalue().split("\n"):
            seen = ""
            for part in line.split("\r"):
                before, erases, after = part.partition("\x1b[K")
                seen = before + after if erases else part + seen[len(part) :]
            shown.append(seen)
        return shown[:-1]


@pytest.fixture
def system(settings):
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    env = {"PERSISTENCE_MODULE": "eventsourcing_django"}
    school = TrainingSchool(env=env)
    school.register("Fido")
    for number in range(3):
        school.add_trick("Fido", f"trick {number}")

    def use(system):
        RUNNER["runner"] = SingleThreadedRunner(system, env=env)

    use(make_system())
    return use


@pytest.fixture
def at_every_event(monkeypatch):
    monkeypatch.setattr(progress_bar, "_INTERVAL", 0)


@on_database("default")
def test_a_terminal_shows_how_far_a_follower_has_got(system, at_every_event):
    """Event by event, and in the end the same lines stay as without a terminal."""
    terminal, file = Terminal(), StringIO()
    call_command("sync_followers", stdout=terminal, no_color=True)
    drawn = terminal.getvalue()
    assert [f"{each} of TrainingSchool" in drawn for each in ("25%", "50%", "75%", "100%")] == [True] * 4
    call_command("sync_followers", stdout=file, no_color=True)
    assert terminal.lines() == file.getvalue().splitlines()
    assert "\r" not in file.getvalue()


@on_database("default")
def test_followers_that_get_new_events_have_their_line(system, at_every_event):
    """It is known afterwards who it was."""
    system(System([[Counters, Celebrations], [TrainingSchool, Counters]]))
    terminal = Terminal()
    call_command("sync_followers", stdout=terminal, no_color=True)
    assert terminal.lines()[-1] == "Synchronizing Celebrations with the new events... OK"


@on_database("default")
def test_silence_is_silent_on_a_terminal_too(system, at_every_event):
    """Verbosity 0 draws nothing."""
    terminal = Terminal()
    call_command("sync_followers", stdout=terminal, verbosity=0)
    assert terminal.getvalue() == ""
