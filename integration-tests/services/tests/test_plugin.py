"""What pytest users see: skips and failures, the summary, sessions side by side."""

import os
import re
import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

LACKING = """
    def test_needs_redis(redis_url):
        pass
"""
UNAVAILABLE = """
    import pytest
    from pentad_services import starting, Unavailable

    def lacking(**kwargs):
        raise Unavailable("redis: not available here. Tried: everything. To get it: look elsewhere.")

    starting.STARTERS["redis"] = lacking
"""


@pytest.fixture(autouse=True)
def _not_in_ci(monkeypatch):
    for name in ("CI", "PENTAD_REQUIRE_SERVICES"):
        monkeypatch.delenv(name, raising=False)


def session(pytester):
    return pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", "-rs")


def test_a_missing_service_skips_for_a_user(pytester):
    """Outside CI a test whose service cannot be had is skipped, and the reason is the one line."""
    pytester.makeconftest(UNAVAILABLE)
    pytester.makepyfile(LACKING)
    result = session(pytester)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*redis: not available here. Tried: everything. To get it: look elsewhere."])


@pytest.mark.parametrize("variable", ["CI", "PENTAD_REQUIRE_SERVICES"])
def test_a_missing_service_fails_in_ci(pytester, monkeypatch, variable):
    """With CI=true or PENTAD_REQUIRE_SERVICES=1 the same test does not pass as a skip: the session fails."""
    monkeypatch.setenv(variable, "true" if variable == "CI" else "1")
    pytester.makeconftest(UNAVAILABLE)
    pytester.makepyfile(LACKING)
    result = session(pytester)
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*redis: not available here. Tried: everything. To get it: look elsewhere."])


def test_the_summary_names_the_services_that_were_used(pytester):
    """The terminal summary has a line for each service that a test asked for, and for no other."""
    pytester.makepyfile("def test_it(redis_url): assert redis_url.startswith('redis://')")
    result = session(pytester)
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines([r"=+ services =+", r"redis: \S+ [\d.]+\S* \(.*\), \S+:\d+$"])
    assert "postgres:" not in result.stdout.str()


def test_a_session_without_services_starts_none(pytester):
    """Tests that ask for no service see no summary section and pay for no server."""
    pytester.makepyfile("def test_it(): pass")
    assert "= services =" not in session(pytester).stdout.str()


def test_two_sessions_at_once_do_not_meet(tmp_path):
    """Two sessions side by side have servers of their own and both pass."""
    (tmp_path / "test_it.py").write_text(
        "import redis\n"
        "def test_it(redis_service, postgres_database, s3_bucket):\n"
        "    client = redis.Redis.from_url(redis_service.url)\n"
        "    assert client.incr('visits') == 1\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(tmp_path)]
    both = [
        subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(printed)
    if not os.environ.get("PENTAD_TEST_REDIS_URL"):
        ports = [re.search(r"redis: .*:(\d+)$", text, re.MULTILINE)[1] for text in printed]
        assert ports[0] != ports[1]


def test_a_slurm_and_a_browser_are_found_or_said_to_be_missing(pytester):
    """The Slurm and browser fixtures give what they promise, or a reason with a way out."""
    pytester.makepyfile(
        """
        import os, subprocess
        from pathlib import Path

        def test_slurm(slurm_service):
            environ = {**os.environ, **slurm_service.environ}
            assert slurm_service.kind in {"mock", "real"}
            assert (slurm_service.bin_dir / "sbatch").exists()
            assert subprocess.run(["squeue", "-h"], env=environ).returncode == 0

        def test_browser(browser_service):
            assert Path(browser_service.executable).exists()
            assert isinstance(browser_service.launch_args, list)
        """
    )
    result = session(pytester)
    outcomes = result.parseoutcomes()
    assert outcomes.get("passed", 0) >= 1
    assert not outcomes.get("failed")
    if outcomes.get("skipped"):
        result.stdout.fnmatch_lines(["*browser: not available here. Tried: *To get it: *"])
