"""What the modules that test the portal share."""

import os

import pytest
from portal_process import Visit, play

VISITS = int(os.environ.get("PORTAL_VISITS", "1"))


@pytest.fixture(scope="session")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """A scripted visit to a portal whose folder of data stays; PORTAL_VISITS plays it so often on the same data."""
    mark, data, home = f"check-{os.getpid()}", tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("home")
    first = play(mark, data, home)
    for number in range(1, VISITS):
        later = play(f"{mark}-{number}", data, home).output
        if "nothing left to apply" not in later:
            raise AssertionError(later)
    return first
