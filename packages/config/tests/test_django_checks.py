"""What `manage.py check` says of secrets, as a project runs it."""

import os
import subprocess
import sys
import time

import jwt
import pytest

BASE = """
import os, pathlib
from pentad_config import KeyRing, Secret
from pentad_config.django import django_keys
SECRET_KEY = "k" * 60
INSTALLED_APPS = ["pentad_config.django.PentadConfig"]
path = pathlib.Path(__file__).with_name("secret")
path.write_text("s" * 60)
os.utime(path, (1, 1))
"""
CASES = {
    "a key that is a marker": (
        "SECRET_KEY = str(Secret('x' * 60))",
        "ERRORS:\n?: (pentad_config.E001) SECRET_KEY is a redaction marker: everybody knows what this site signs with.",
    ),
    "a key of asterisks": ("SECRET_KEY = '*' * 10", "(pentad_config.E001)"),
    "a file that went bad": (
        "held = Secret.at(f'file:{path}', name='token', ttl=0); held.reveal(); path.unlink(); held.reveal()",
        "(pentad_config.W001) A secret serves its last good value: token: ",
    ),
    "a ring that went bad": (
        "ring = KeyRing(Secret.at(f'file:{path}', name='keys', ttl=0)); SECRET_KEY, SECRET_KEY_FALLBACKS = "
        "django_keys(ring); path.write_text('short'); os.utime(path, (2, 2)); ring.primary",
        "(pentad_config.W002) SECRET_KEY is of older keys than its source: keys: key 1 has 5 characters, 32 needed.",
    ),
    "a token that expired": (
        "held = Secret.at('env:SLURM_JWT'); held.reveal()",
        "(pentad_config.W003) SLURM_JWT: env:SLURM_JWT is a token that has expired.",
    ),
}


def check(folder, settings):
    """Run `django check` on a project with these settings; return its exit status and what it said."""
    (folder / "project_conf.py").write_text(BASE + settings)
    token = jwt.encode({"exp": int(time.time()) - 60}, "k" * 32, algorithm="HS256")
    environment = {"DJANGO_SETTINGS_MODULE": "project_conf", "PYTHONPATH": str(folder), "SLURM_JWT": token}
    argv = [sys.executable, "-m", "django", "check", "--fail-level", "WARNING"]
    ran = subprocess.run(argv, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert token not in ran.stdout + ran.stderr
    return ran.returncode, ran.stderr


@pytest.mark.parametrize("case", CASES)
def test_a_problem_with_a_secret_is_reported(tmp_path, case):
    """With what it is about, and never with the value."""
    settings, message = CASES[case]
    status, said = check(tmp_path, settings)
    assert status == 1
    assert message in said
    assert "ssssssss" not in said


def test_a_project_without_problems_hears_nothing(tmp_path):
    """The same project with nothing wrong."""
    assert check(tmp_path, "held = Secret.at(f'file:{path}'); held.reveal()") == (0, "")
