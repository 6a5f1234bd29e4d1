"""`pentad-config check | explain | docs | schema | ring`."""

import json
import os
import subprocess
import sys

import pytest

MODULE = """
from pentad_config import Secret, Settings, setting
class App(Settings, prefix="APP_"):
    key: Secret = setting(doc="signs cookies")
    port: int = setting(8000, doc="where it listens")
    mode: str = setting("fast", doc="how", choices=("fast", "safe"))
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "conf.py").write_text(MODULE)

    def run(*arguments, **environ):
        return subprocess.run(
            [sys.executable, "-m", "pentad_config", *arguments],
            **{"cwd": tmp_path, "capture_output": True, "text": True, "check": False},
            env={"PATH": os.environ["PATH"], **environ},
        )

    return run


def test_check_prints_every_problem_and_exits_1(run):
    """One line each on stderr, with the class and the setting."""
    ran = run("check", "conf:App", APP_PORT="x")
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "App.key: missing. Set APP_KEY, or APP_KEY_FILE to a file, or put a file app_key in the credentials directory.",
        "App.port: env APP_PORT is not a whole number.",
    ]


def test_check_is_quiet_when_all_is_well(run):
    """And exits 0."""
    ran = run("check", "conf:App", APP_KEY="pssst-pssst")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "no problems\n", "")


def test_explain_shows_sources_and_no_values(run, tmp_path):
    """A table of settings, redacted values and where they came from; a note for a readable file."""
    (tmp_path / "k").write_text("pssst-pssst")
    (tmp_path / "k").chmod(0o644)
    ran = run("explain", "conf:App", APP_KEY_FILE=str(tmp_path / "k"))
    assert ran.returncode == 0
    assert "pssst" not in ran.stdout
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["setting", "value", "source", "age"]
    assert lines[1].startswith(f"key      <Secret key: redacted>  file {tmp_path}/k (APP_KEY_FILE)")
    assert lines[2].split() == ["port", "8000", "default"]
    assert lines[-1].startswith("note  key: readable by every user (0644)")


def test_docs_and_schema_describe_the_class(run):
    """For a README and for an editor."""
    assert "| `APP_KEY` | Secret | required | signs cookies |" in run("docs", "conf:App").stdout
    schema = json.loads(run("schema", "conf:App").stdout)
    assert schema["required"] == ["key"]
    assert schema["properties"]["port"] == {"type": "integer", "description": "where it listens", "default": 8000}
    assert schema["properties"]["key"]["writeOnly"] is True
    assert schema["properties"]["mode"]["enum"] == ["fast", "safe"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("conf", "conf: say MODULE:CLASS"),
        ("nowhere:App", "nowhere:App: there is no module nowhere"),
        ("conf:Secret", "conf:Secret: Secret is not a Settings class of conf"),
    ],
)
def test_a_wrong_target_is_explained(run, target, message):
    """Exit status 2, as for any wrong command line."""
    ran = run("explain", target)
    assert ran.returncode == 2
    assert message in ran.stderr


def test_a_ring_is_added_to_promoted_and_pruned(run, tmp_path):
    """The new key verifies before it signs, and the oldest goes last."""
    path = tmp_path / "keys"
    assert run("ring", "add", str(path)).stdout == f"{path}: 1 keys\n"
    assert path.stat().st_mode & 0o777 == 0o600
    (first,) = path.read_text().split()
    run("ring", "add", str(path))
    _, second = path.read_text().split()
    assert path.read_text().split() == [first, second]
    run("ring", "promote", str(path))
    assert path.read_text().split() == [second, first]
    run("ring", "prune", str(path), "--keep", "1")
    assert path.read_text().split() == [second]
    assert len(second) >= 32
    assert sorted(p.name for p in tmp_path.iterdir()) == ["conf.py", "keys"]


def test_a_ring_keeps_mode_and_link(run, tmp_path):
    """A link stays a link; the file behind it keeps its permissions."""
    path = tmp_path / "keys"
    path.write_text("k" * 40)
    path.chmod(0o640)
    (tmp_path / "link").symlink_to("keys")
    assert run("ring", "add", str(tmp_path / "link")).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert len(path.read_text().split()) == 2


def test_a_ring_that_is_not_there_is_explained(run, tmp_path):
    """Nothing is made by promote or prune."""
    ran = run("ring", "promote", str(tmp_path / "no"))
    assert ran.returncode == 1
    assert ran.stderr == f"{tmp_path}/no: does not exist. Make it with: pentad-config ring add FILE\n"
