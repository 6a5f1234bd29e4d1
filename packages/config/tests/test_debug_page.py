"""Django's debug page and error mail, made for a real request, and JupyterHub's printed configuration."""

import subprocess
import sys

import pytest

SITE = """
import sys
from pathlib import Path
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from pentad_config import KeyRing, Secret
from pentad_config.django import django_keys

folder = Path(sys.argv[1])
VALUES = [f"value-{kind}-{'<&>' if kind == 'literal' else ''}{'x' * 20}" for kind in ("literal", "callable", "file")]
KEYS = ["first-key-" + "a" * 40, "second-key-" + "b" * 40]
(folder / "f").write_text(VALUES[2])
(folder / "keys").write_text("\\n".join(KEYS))
SECRETS = [Secret(VALUES[0]), Secret(lambda: VALUES[1]), Secret.at(f"file:{folder}/f")]
for secret in SECRETS:
    secret.reveal()
ring = KeyRing(Secret.at(f"file:{folder}/keys"))
key, fallbacks = django_keys(ring)
guarded = {
    "DEFAULT_EXCEPTION_REPORTER": "pentad_config.django.Reporter",
    "DEFAULT_EXCEPTION_REPORTER_FILTER": "pentad_config.django.ReporterFilter",
} if sys.argv[2] == "guarded" else {}
settings.configure(
    SECRET_KEY=key, SECRET_KEY_FALLBACKS=fallbacks, DEBUG=True, ROOT_URLCONF="__main__", ALLOWED_HOSTS=["*"],
    CELERY_BROKER_URL=f"redis://:{VALUES[0]}@host", CACHES={"default": {"BACKEND":
    "django.core.cache.backends.locmem.LocMemCache", "LOCATION": f"x{VALUES[2]}"}}, **guarded,
)

class Leaky:
    def __init__(self, value): self.value = value
    def __repr__(self): return f"Leaky({self.value!r})"

def view(request):
    url = [f"redis://:{value}@host" for value in VALUES + KEYS]
    nested = {"deep": [Leaky(VALUES[0]), (VALUES[1], {"k": ring.primary})]}
    loop = [VALUES[2]]
    loop.append(loop)
    try:
        raise ValueError(f"refused {VALUES[0]}")
    except ValueError as error:
        raise RuntimeError(f"cannot connect with {VALUES[1]} and {KEYS[1]}") from error

urlpatterns = [path("x", view)]
django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
client.cookies["c"] = VALUES[1]
pages = []
for accept in ("text/html", "text/plain"):
    answer = client.post(f"/x?token={VALUES[1]}", {"field": VALUES[2]}, headers={"accept": accept, "x-api": VALUES[0]})
    assert answer.status_code == 500
    pages.append(answer.content.decode())
text = "\\n".join(pages)
assert "cannot connect with" in text and "refused" in text and "CELERY_BROKER_URL" in text and "nested" in text and "loop" in text
from html import escape
from urllib.parse import quote
leaks = [v for v in VALUES + KEYS for form in {v, escape(v), quote(v), quote(v, safe="")} if form in text]
print(len(leaks), *sorted(set(leaks)))
"""


def leaks(tmp_path, mode):
    ran = subprocess.run([sys.executable, "-c", SITE, tmp_path, mode], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout.strip().splitlines()[-1]


def test_the_debug_page_of_a_real_request_shows_no_secret(tmp_path):
    """Not in settings, variables, nested objects, the message, the form, the query, headers or cookies."""
    assert leaks(tmp_path, "guarded") == "0"


def test_the_same_page_without_our_reporter_would_leak(tmp_path):
    """Django goes by names; this shows that the test above can fail."""
    assert int(leaks(tmp_path, "plain").split()[0]) > 4


HUB = """
from traitlets.config import Configurable
from pentad_config import Secret
from pentad_config.traitlets import SecretTrait

class Reporter(Configurable):
    {traits}

c = get_config()
{given}
reporter = Reporter(config=c)
assert all(getattr(reporter, name).text() == open('{folder}/token').read() for name in reporter.trait_names(config=True))
"""

TOKEN = "token-token-token-token"
REFERENCES = {"file": "'file:{folder}/token'", "env": "'env:HUB_TOKEN'"}
SECRETS = {
    "secret_of_a_file": "Secret.at('file:{folder}/token')",
    "secret_of_a_callable": "Secret(lambda: open('{folder}/token').read())",
    "secret_of_a_literal": "Secret(open('{folder}/token').read())",
}


@pytest.mark.parametrize(
    ("flag", "kinds"), [("--show-config", {**REFERENCES, **SECRETS}), ("--show-config-json", REFERENCES)]
)
def test_jupyterhub_prints_its_configuration_without_secrets(tmp_path, flag, kinds):
    """References and every kind of secret that a configuration file can hold."""
    (tmp_path / "token").write_text(TOKEN)
    traits = "; ".join(f"{name} = SecretTrait().tag(config=True)" for name in kinds)
    given = "\n".join(f"c.Reporter.{name} = {how.format(folder=tmp_path)}" for name, how in kinds.items())
    (tmp_path / "jupyterhub_config.py").write_text(HUB.format(traits=traits, given=given, folder=tmp_path))
    ran = subprocess.run(
        [sys.executable, "-m", "jupyterhub", flag],
        **{"cwd": tmp_path, "capture_output": True, "text": True, "check": False, "timeout": 300},
        env={"PATH": "/usr/bin:/bin", "HUB_TOKEN": TOKEN, "HOME": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr[-1000:]
    assert all(name in ran.stdout for name in kinds)
    assert TOKEN not in ran.stdout + ran.stderr
