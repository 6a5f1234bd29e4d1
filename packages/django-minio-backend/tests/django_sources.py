"""Tests of Django itself, from the source distribution of the installed release: no wheel holds them.

`pip download` fetches it from whatever index this environment is configured for, once per environment and release.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

import django
import pytest

from pentad_services.plugin import services_are_required

_CACHE = Path(sys.prefix) / "cache" / "django-tests"


def django_tests(package):
    """The folder that `package`, one of the packages below Django's tests/, can be imported from.

    Where it cannot be had the test is skipped, in CI it fails; either way with the reason.
    """
    folder = _CACHE / django.__version__
    if not (folder / package).is_dir():
        try:
            _fetch(package, folder)
        except _UnavailableError as reason:
            if services_are_required():
                pytest.fail(str(reason), pytrace=False)
            pytest.skip(str(reason))
    return folder


class _UnavailableError(Exception):
    pass


def _fetch(package, folder):
    with tempfile.TemporaryDirectory() as scratch:
        _unpack(_downloaded(scratch), package, Path(scratch))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            shutil.move(Path(scratch) / package, folder / package)
        except OSError:
            if not (folder / package).is_dir():  # another run was faster
                raise


def _downloaded(folder):
    release = f"django=={django.__version__}"
    # Without isolation: pip builds metadata even of what it only downloads, with the setuptools of this environment.
    how = ("--no-deps", "--no-build-isolation", "--no-binary", "django", "--quiet", "--dest", folder)
    # An index that stumbles fails nothing where a skip is no way out; without a network a developer soon gets on.
    patience = ("--retries", "5", "--timeout", "60") if services_are_required() else ("--retries", "1")
    command = [sys.executable, "-m", "pip", "download", *how, *patience, release]
    environment = {**os.environ, "TMPDIR": folder}
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    found = [*Path(folder).glob("*.tar.gz")]
    if finished.returncode or not found:
        raise _UnavailableError(
            f"The source distribution of {release}, which has Django's own tests, could not be downloaded: "
            f"{finished.stderr.strip()[-500:]}. It takes pip, setuptools and an index in this environment."
        )
    return found[0]


def _unpack(archive, package, folder):
    """Write the package's files. By hand: tarfile has no safe way to in Python before 3.11.4, which Debian 12 has."""
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = PurePosixPath(member.name.partition("/tests/")[2])
            if member.isfile() and inside.parts[:1] == (package,) and ".." not in inside.parts:
                place = folder / inside
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(tar.extractfile(member).read())
