"""Parts that need more than the package's own dependencies: nobody else has to install it, and errors say what."""

import subprocess
import sys

import pytest

OPTIONAL = ["cryptography", "fastapi", "pydantic", "pytest", "redis"]


def run(code):
    """Run Python in which none of the optional packages can be imported; return what it prints."""
    blocked = f"import sys\nfor name in {OPTIONAL}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", blocked + code], capture_output=True, text=True, check=True).stdout


def test_the_root_needs_no_extra():
    """The package, its memory and cookie stores and `starsessions.users` work without any optional package."""
    run("import starsessions.users, starsessions.updates; starsessions.CookieStore('k' * 32)")


def test_importing_the_package_is_cheap():
    """Importing it loads no optional package that is there."""
    code = f"import starsessions, sys; print(sorted(set({OPTIONAL}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("use", "extra"),
    [
        ("import starsessions.stores.redis", "redis"),
        ("import starsessions.typed", "typed"),
        ("import starsessions.fastapi", "fastapi"),
        ("import starsessions.testing", "testing"),
        ("from starsessions.encryptors import *; FernetEncryptor('a' * 44)", "cryptography"),
        ("from starsessions.encryptors import *; AESGCMEncryptor(b'a' * 32)", "cryptography"),
        ("from starsessions.encryptors import *; FernetEncryptor('env:SESSION_KEY')", "cryptography"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, use, extra):
    """A part whose package is missing raises ModuleNotFoundError, an ImportError, that says what to install."""
    monkeypatch.setenv("SESSION_KEY", "a" * 43 + "=")
    printed = run(f"try:\n    {use}\nexcept ModuleNotFoundError as error:\n    print(error)")
    assert f"pip install 'pentad-starsessions[{extra}]'" in printed
