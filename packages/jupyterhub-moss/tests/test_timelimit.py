"""Durations as users write them and as Slurm prints and reads them."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_moss.timelimit import parse_slurm_time, slurm_time
from jupyterhub_moss.utils import parse_timelimit

HOURS_FIRST = {
    "4": timedelta(hours=4),
    "1:30": timedelta(hours=1, minutes=30),
    "1:30:15": timedelta(hours=1, minutes=30, seconds=15),
    "2-03:04:05": timedelta(days=2, hours=3, minutes=4, seconds=5),
    "1-12": timedelta(days=1, hours=12),
    "26:00:00": timedelta(hours=26),
    "infinite": timedelta.max,
}
AS_SLURM_PRINTS = {
    "5:00": timedelta(minutes=5),
    "30": timedelta(minutes=30),
    "0:30": timedelta(seconds=30),
    "1:00:00": timedelta(hours=1),
    "1-00:00:00": timedelta(days=1),
    "2-12": timedelta(days=2, hours=12),
    "2-12:30": timedelta(days=2, hours=12, minutes=30),
    "infinite": timedelta.max,
    "UNLIMITED": timedelta.max,
}


@pytest.mark.parametrize("text", HOURS_FIRST)
def test_a_users_duration_begins_with_hours(text):
    """parse_timelimit reads [days-]hours[:minutes[:seconds]]."""
    assert parse_timelimit(text) == HOURS_FIRST[text]


@pytest.mark.parametrize("text", ["", "abc", "1:60", "1:00:60", "1:2:3:4", "-1", "1-", "1:", "٣:00:00", " 1", "1\n"])
def test_anything_else_is_refused(text):
    """parse_timelimit raises ValueError for what is no duration."""
    with pytest.raises(ValueError):
        parse_timelimit(text)


@pytest.mark.parametrize("text", AS_SLURM_PRINTS)
def test_slurm_prints_minutes_first(text):
    """parse_slurm_time reads 5:00 as five minutes, as sinfo means it."""
    assert parse_slurm_time(text) == AS_SLURM_PRINTS[text]


@pytest.mark.parametrize("text", ["", "n/a", "1:60:00", "5:61", "x", "1-2-3"])
def test_a_time_that_slurm_does_not_print_is_refused(text):
    """parse_slurm_time raises ValueError for what is no time limit."""
    with pytest.raises(ValueError):
        parse_slurm_time(text)


@given(st.integers(min_value=1, max_value=10**8))
def test_slurm_reads_back_what_was_written_for_it(seconds):
    """Whatever duration was meant, sbatch is given text that it reads as that duration."""
    duration = timedelta(seconds=seconds)
    assert parse_slurm_time(slurm_time(duration)) == duration


def test_no_limit_is_written_as_unlimited():
    """An infinite duration becomes UNLIMITED."""
    assert slurm_time(parse_timelimit("infinite")) == "UNLIMITED"


@given(st.text(max_size=20))
def test_parsers_raise_nothing_but_value_error(text):
    """No text makes a parser fail in another way."""
    for parse in (parse_timelimit, parse_slurm_time):
        with contextlib.suppress(ValueError):
            parse(text)
