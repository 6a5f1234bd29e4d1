"""The health file, as monitors have it checked."""

import json
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
    healthy(path, written_at=(datetime.now(UTC) - timedelta(seconds=31)).isoformat())
    assert check(path) == (1, f"{path}: stale: written 31 s ago, more than 30 s")
    healthy(path, followers={"Counters": {"status": "failing"}, "Celebrations": {"status": "standby"}})
    assert check(path) == (3, f"{path}: failing: Counters")


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
