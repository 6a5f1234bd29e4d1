"""How long a server still has."""

import asyncio
import time

import pytest
from lone_spawner import make_spawner

from jupyterhub_moss.ending import words_for
from jupyterhub_moss.jobs import read_jobs

LINE = "1//{state}//n1//alice//cpu//1//2026-11-22T10:00:00//None//{left}//name"


def ends_in(state, left):
    """Seconds until the end that squeue's words mean."""
    ends_at = read_jobs(LINE.format(state=state, left=left))["1"].ends_at
    return None if ends_at is None else ends_at - time.time()


@pytest.mark.parametrize(
    ("state", "left", "seconds"),
    [
        ("RUNNING", "1:30:00", 5400),
        ("RUNNING", "1-00:00:00", 86400),
        ("RUNNING", "4:30", 270),
        ("COMPLETING", "0:30", 30),
        ("RUNNING", "UNLIMITED", None),
        ("RUNNING", "NOT_SET", None),
        ("RUNNING", "INVALID", None),
        ("PENDING", "1:00:00", None),
        ("SUSPENDED", "1:00:00", None),
    ],
)
def test_a_server_ends_when_slurm_says_so(state, left, seconds):
    """What squeue says is left, while the job's time runs."""
    assert ends_in(state, left) == (None if seconds is None else pytest.approx(seconds, abs=60))


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


def test_changed_limits_and_suspensions_count(mock_slurm, job):
    """The end is Slurm's: an administrator's new limit moves it, and while a job is suspended there is none."""
    spawner = make_spawner()
    assert (spawner.ends_at, spawner.time_left, spawner.ends_soon) == (None, "", False)
    spawner.job_id, spawner.user_options = job, {"runtime": "0:10:00"}

    def hours_left(*change):
        if change:
            mock_slurm.run("scontrol", *change, user="root", check=True)
        asyncio.run(spawner.query_job_status(max_age=0))
        return spawner.ends_at and (spawner.ends_at - time.time()) / 3600

    assert hours_left() == pytest.approx(1, abs=0.2)  # the partition's default
    assert hours_left("update", f"jobid={job}", "timelimit=5:00:00") == pytest.approx(5, abs=0.2)
    assert spawner.time_left.startswith("4 hours ")
    assert not spawner.ends_soon
    assert hours_left("suspend", job) is None
    assert hours_left("resume", job) == pytest.approx(5, abs=0.2)
    spawner.end_warning_minutes = 301
    assert spawner.ends_soon
