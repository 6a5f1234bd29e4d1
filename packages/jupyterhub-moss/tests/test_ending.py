"""How long a server still has."""

import time
from datetime import datetime

import pytest
from lone_spawner import make_spawner

from jupyterhub_moss.ending import end_of, words_for
from jupyterhub_moss.jobs import JobFacts

RUNNING = JobFacts("1", "RUNNING", "n1", "alice", "cpu", 1, "2026-11-22T10:00:00", "None", "name")
TEN = datetime(2026, 11, 22, 10).timestamp()  # noqa: DTZ001  # squeue prints local time


@pytest.mark.parametrize(
    ("job", "runtime", "end"),
    [
        (RUNNING, "1:30:00", TEN + 5400),
        (RUNNING, "2-00", TEN + 172800),
        (RUNNING, "", None),
        (RUNNING, "infinite", None),
        (RUNNING._replace(start="N/A"), "1:00:00", None),
        (RUNNING._replace(state="PENDING"), "1:00:00", None),
    ],
)
def test_a_server_ends_when_it_has_run_for_the_time_asked_for(job, runtime, end):
    """Start and asked time give the end; a job that waits, or has no limit, has none."""
    assert end_of(job, runtime) == end


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute"),
        (59, "less than a minute"),
        (61, "1 minute"),
        (3600, "1 hour"),
        (2 * 3600 + 300, "2 hours 5 minutes"),
        (26 * 3600 + 59, "1 day 2 hours"),
    ],
)
def test_the_time_left_is_told_in_words(seconds, words):
    """Days, hours and minutes; minutes are left out beside days."""
    assert words_for(seconds) == words


def test_a_spawner_tells_how_long_its_server_has():
    """Without a job nothing is told; with one, what is left of the asked time."""
    spawner = make_spawner()
    assert (spawner.ends_at, spawner.time_left) == (None, "")
    spawner.user_options = {"runtime": "2:00:00"}
    spawner._job_facts = RUNNING._replace(start=datetime.now().isoformat(timespec="seconds"))  # noqa: DTZ005
    assert spawner.ends_at == pytest.approx(time.time() + 7200, abs=600)
    assert spawner.time_left.startswith("1 hour ")
