"""The reference portal as a whole: its scripted visit, its end, and its end by force.

PORTAL_KILLS is how often the launcher is killed at a moment of its own (1), PORTAL_VISITS how often the visit is played
on the same data (1); each start takes some twenty seconds of a processor, each visit twice as many.
"""

import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from portal_process import ENDS, assert_none_left, portal, read_until

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "portal"))

from portal.launcher.cli import wait_for_end
from portal.launcher.parts import Part, PartFailedError, RunningPart
from portal.launcher.stack import Stack

STEPS = 29

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes through /proc")


def test_the_scripted_visit_holds_in_every_step_and_leaves_nothing_behind(visit):
    """`demo.py --check` prints an ok line for each step and exits 0; no process is left, no file in the home."""
    assert len(re.findall(r"^ok      ", visit.output, re.MULTILINE)) == STEPS, visit.output
    assert "FAILED" not in visit.output
    assert_none_left(visit.mark)
    assert list(visit.home.iterdir()) == []


def test_a_release_that_renames_a_column_goes_out_without_a_failed_request(visit):
    """Visitors go on during the whole rollout: both releases answer some of them, and no request fails."""
    assert "releases 1 and 2 side by side, then 2 alone" in visit.output
    (by_old, by_new) = re.search(r"(\d+) by release 1, (\d+) by release 2, 0 failed", visit.output).groups()
    assert int(by_old) > 0
    assert int(by_new) > 0


def test_the_data_are_closed_to_others(visit):
    """Servers write sessions and private objects as files that anybody may read: nobody gets to them."""
    assert {folder.name: folder.stat().st_mode & 0o777 for folder in visit.data.iterdir()} == {
        "portal": 0o700,
        "services": 0o700,
    }


@pytest.mark.parametrize("attempt", range(int(os.environ.get("PORTAL_KILLS", "1"))))
def test_killing_the_launcher_at_any_moment_leaves_no_process(attempt):
    """kill -9 at a random moment of the start or of the visit ends every process of the portal."""
    mark = f"kill-{os.getpid()}-{attempt}"
    moment = random.uniform(0.2, 25)
    with portal("--check", mark=mark) as process:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait(ENDS)
        assert_none_left(mark)


@pytest.mark.parametrize(("moment", "number"), [("redis:", signal.SIGINT), ("s3:", signal.SIGTERM)])
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


def test_data_of_another_postgresql_end_the_demo_with_words_and_exit_code_1(tmp_path):
    """The demo says which PostgreSQL made the data, which one is here and what to do, and leaves no process."""
    mark = f"other-{os.getpid()}"
    cluster = tmp_path / "services" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("9.6\n")
    with portal("--data", str(tmp_path), mark=mark) as process:
        output, _ = process.communicate(timeout=ENDS)
    assert process.returncode == 1, output
    assert f"The portal stopped: postgres: {cluster} was made by PostgreSQL 9.6, but" in output
    assert "Install PostgreSQL 9.6, or move the folder away" in output
    assert "Traceback" not in output
    assert_none_left(mark)


def test_a_part_that_ends_by_itself_is_named(tmp_path, process_guard):
    """Who waits for the portal's end learns which part has ended, with what status, and the end of its log."""
    stack = Stack(process_guard, tmp_path, None, print)
    program = Part("follower", [sys.executable, "-c", "print('last words'); raise SystemExit(7)"], where="")
    stack.running["follower"] = RunningPart(program, process_guard, {}, stack.logs)
    with pytest.raises(PartFailedError, match=r"the follower ended with status 7\. Its log, (?s:.*) ends:\nlast words"):
        wait_for_end(stack)
