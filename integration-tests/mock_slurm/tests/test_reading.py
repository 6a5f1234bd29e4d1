"""Texts that Slurm reads and prints: host lists, times, sizes, options."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_slurm.getopt import Flag, UsageError, parse
from mock_slurm.hostlist import compress, expand
from mock_slurm.options import directives
from mock_slurm.quantities import (
    UNLIMITED,
    InvalidQuantityError,
    elapsed,
    mebibytes,
    parse_memory,
    parse_minutes,
    parse_moment,
)

hosts = st.sets(
    st.tuples(st.sampled_from(["cpu", "gpu", "n0x"]), st.integers(0, 999)).map(lambda pair: f"{pair[0]}{pair[1]}"),
    min_size=1,
)


@given(hosts)
def test_a_compressed_host_list_expands_to_the_same_hosts(names):
    """compress and expand are each other's inverse."""
    assert set(expand(compress(list(names)))) == names


def test_host_lists_are_written_as_slurm_writes_them():
    """Runs become ranges, sorted by name and number; leading zeros stay."""
    assert compress(["cpu3", "cpu1", "cpu2", "big1"]) == "big1,cpu[1-3]"
    assert compress(["n10", "n9", "n0"]) == "n[0,9-10]"
    assert expand("n[01-03,7],m") == ["n01", "n02", "n03", "n7", "m"]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("5", 5),
        ("5:30", 6),
        ("1:00:00", 60),
        ("1-0", 1440),
        ("1-12:30", 2190),
        ("0:00:01", 1),
        ("1-", 1440),
        ("0", UNLIMITED),
        ("infinite", UNLIMITED),
    ],
)
def test_time_limits_are_read_as_slurm_reads_them(text, minutes):
    """One field is minutes, two are minutes and seconds; after days they are hours; seconds are rounded up."""
    assert parse_minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "xyz", "1:2:3:4", "-5", "x-1", "1:"])
def test_times_that_are_none_are_refused(text):
    """Anything else is an error, not a guess."""
    with pytest.raises(InvalidQuantityError):
        parse_minutes(text)


@given(st.integers(0, 10**7))
def test_elapsed_time_reads_back(seconds):
    """What is printed means the same number of seconds."""
    days, dash, clock = elapsed(seconds).rpartition("-")
    fields = [int(field) for field in clock.split(":")]
    total = sum(value * 60**place for place, value in enumerate(reversed(fields)))
    assert total + (int(days) * 86400 if dash else 0) == seconds


def test_sizes():
    """Sizes are mebibytes unless they say otherwise, and are printed as the real one prints them."""
    assert [parse_memory(text) for text in ("512", "2G", "1T", "2048K", "1K")] == [512, 2048, 1048576, 2, 1]
    assert [mebibytes(size) for size in (500, 16000, 32000, 64000, 128000)] == [
        "500M",
        "16000M",
        "32000M",
        "62.50G",
        "125G",
    ]


def test_moments_follow_the_clusters_clock():
    """`now+1hour` on a cluster whose minutes last a second is a minute away."""
    assert parse_moment("now+1hour", 1000.0) == 4600.0
    assert parse_moment("now+1hour", 1000.0, minute_seconds=1.0) == 1060.0
    assert parse_moment("now+60", 1000.0) == 1060.0


def test_directives_end_at_the_first_command():
    """#SBATCH lines after a command are comments, quotes hold words together."""
    script = (
        '#!/bin/bash\n#SBATCH -J "two words" # why\n\n#note\n#SBATCHING no\n#SBATCH --time=5\ntrue\n#SBATCH --time=9\n'
    )
    assert directives(script) == ["-J", "two words", "--time=5"]


def test_options_are_read_as_getopt_reads_them():
    """Short options bundle, long ones may be cut while they stay unique, and mistakes have getopt's words."""
    flags = (Flag("noheader", "h", "no"), Flag("jobs", "j"), Flag("jobname"))
    assert parse(flags, ["-hj1", "rest", "--noh"]).options == [("noheader", ""), ("jobs", "1"), ("noheader", "")]
    for argv, text in [
        (["--job=1"], "option '--job' is ambiguous; possibilities: '--jobs' '--jobname'"),
        (["--jobs"], "option '--jobs' requires an argument"),
        (["-x"], "invalid option -- 'x'"),
        (["--noheader=1"], "option '--noheader' doesn't allow an argument"),
    ]:
        with pytest.raises(UsageError, match=text):
            parse(flags, argv)
