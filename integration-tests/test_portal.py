"""The reference portal as a whole: its scripted visit, its end, and its end by force.

PORTAL_KILLS is how often the launcher is killed at a moment of its own (2).
"""

import os
import random
import re
import signal
import subprocess
from pathlib import Path

import pytest
from portal_process import assert_none_left, portal, read_until

STEPS = 21
ENDS = 60  # seconds in which a portal that is told to stop has to; what takes time is their machine, not waiting

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes through /proc")


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    """What `--check` printed in two runs with the same data, the folders of the data and of the home, and the marks."""
    data, home = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("home")
    outputs, marks = [], [f"check-{os.getpid()}-{run}" for run in (1, 2)]
    for mark in marks:
        with portal("--check", "--data", str(data), mark=mark, HOME=str(home)) as process:
            output, _ = process.communicate(timeout=1200)
        assert process.returncode == 0, output
        outputs.append(output)
    return outputs, data, home, marks


def test_the_scripted_visit_holds_in_every_step_and_leaves_nothing_behind(visits):
    """`demo.py --check` prints an ok line for each step and exits 0; no process is left, no file in the home."""
    (output, _), _, home, marks = visits
    assert len(re.findall(r"^ok      ", output, re.MULTILINE)) == STEPS, output
    assert "FAILED" not in output
    for mark in marks:
        assert_none_left(mark)
    assert list(home.iterdir()) == []


def test_a_release_that_renames_a_column_goes_out_without_a_failed_request(visits):
    """Visitors go on during the whole rollout: both releases answer some of them, and no request fails."""
    (output, _), _, _, _ = visits
    assert "releases 1 and 2 side by side, then 2 alone" in output
    (by_old, by_new) = re.search(r"(\d+) by release 1, (\d+) by release 2, 0 failed", output).groups()
    assert int(by_old) > 0
    assert int(by_new) > 0


def test_a_second_start_with_the_same_data_finds_it_and_plays_the_visit_again(visits):
    """With --data, the second visit passes on the data of the first, where the rollout is over, closed to others."""
    (_, output), data, _, _ = visits
    assert "nothing left to apply" in output
    assert {folder.name: folder.stat().st_mode & 0o777 for folder in data.iterdir()} == {
        "portal": 0o700,
        "services": 0o700,
    }


@pytest.mark.parametrize("attempt", range(int(os.environ.get("PORTAL_KILLS", "2"))))
def test_killing_the_launcher_at_any_moment_leaves_no_process(attempt):
    """kill -9 at a random moment of the start or of the visit ends every process of the portal."""
    mark = f"kill-{os.getpid()}-{attempt}"
    moment = random.uniform(0.2, 25)
    with portal("--check", mark=mark) as process:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait(30)
        assert_none_left(mark)


@pytest.mark.parametrize(
    ("moment", "number"), [("redis:", signal.SIGINT), ("s3:", signal.SIGTERM), ("front door:", signal.SIGINT)]
)
def test_a_signal_during_the_start_stops_it_with_exit_code_0(moment, number):
    """A portal that is still starting stops as one that is up does: no traceback, no process left."""
    mark = f"early-{os.getpid()}-{moment}"
    with portal(mark=mark) as process:
        read_until(process, lambda line: moment in line)
        process.send_signal(number)
        output, _ = process.communicate(timeout=ENDS)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert_none_left(mark)


def test_a_part_that_ends_by_itself_ends_the_demo_with_its_name_and_exit_code_1():
    """When a process of the portal dies, the demo says which one, stops the others and exits 1."""
    mark = f"part-{os.getpid()}"
    with portal(mark=mark) as process:
        lines = read_until(process, lambda line: "Ctrl-C stops everything" in line)
        pid = next(int(found[1]) for line in lines if (found := re.search(r"^follower .*?(\d+)\s*$", line)))
        os.kill(pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=ENDS)
    assert process.returncode == 1, output
    assert "the follower ended with status -9" in output
    assert_none_left(mark)
