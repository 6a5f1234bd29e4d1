"""The health file, as monitors have it checked."""

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command


def healthy(path, **changes):
    content = {
        "version": 1,
        "status": "running",
        "pid": 1,
        "host": "here",
        "started_at": datetime.now(UTC).isoformat(),
        "written_at": datetime.now(UTC).isoformat(),
        "stale_after": 30.0,
        "followers": {"Counters": {"status": "following"}},
    } | changes
    path.write_text(json.dumps(content))


def check(path):
    """Run the command's check and return its exit status and what it says."""
    out = StringIO()
    try:
        call_command("run_followers", check=True, health_file=path, stdout=out)
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_a_health_file_is_checked(tmp_path):
    """Exit status 0 says that the daemon works, 1 that it does not, 3 that a follower fails."""
    path = tmp_path / "health.json"
    assert check(path) == (1, f"There is no health file {path}")
    healthy(path)
    assert check(path) == (0, f"{path}: works\n")
    healthy(path, written_at=(datetime.now(UTC) - timedelta(hours=1)).isoformat())
    status, said = check(path)
    assert status == 1
    assert re.fullmatch(rf"{path}: stale: written 36\d\d s ago, more than 30 s", said)
    healthy(path, followers={"Counters": {"status": "failing"}, "Celebrations": {"status": "standby"}})
    assert check(path) == (3, f"{path}: failing: Counters")


def test_a_file_from_the_future_is_stale(tmp_path):
    """The clock was put back, and no daemon has written the file since; a second's difference means nothing."""
    path = tmp_path / "health.json"
    healthy(path, written_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    status, said = check(path)
    assert status == 1
    assert re.fullmatch(rf"{path}: stale: written 3[56]\d\d s ahead of the clock, more than 30 s", said)
    healthy(path, written_at=(datetime.now(UTC) + timedelta(seconds=1)).isoformat())
    assert check(path) == (0, f"{path}: works\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1}',
        '{"version": 1, "followers": []}',
        '{"version": 1, "followers": {}, "stale_after": 30, "written_at": "2026-01-01T00:00"}',
        '{"version": 1, "followers": {}, "stale_after": "30", "written_at": "2026-01-01T00:00Z"}',
    ],
)
def test_something_else_is_no_health_file(tmp_path, text):
    """It is a problem that the check names, not a crash."""
    path = tmp_path / "health.json"
    path.write_text(text)
    status, said = check(path)
    assert (status, str(path) in said) == (1, True)
