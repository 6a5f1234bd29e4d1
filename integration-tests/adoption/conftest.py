"""Real small projects move from an upstream package to ours and back, in environments from the package index.

`PENTAD_ADOPTION=1 python -m pytest integration-tests/adoption` runs them, from the root of the tree. A test takes the
commands from the page that tells users what to do:

    def test_...(make_environment, tmp_path):
        environment = make_environment("starsessions==2.2.1")
        environment.script(commands_of("docs/packages/starsessions/upgrading.md", "to-pentad"), cwd=project)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adoption.environment import Environment, build_wheels
from pentad_services.guard import ProcessGuard

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run nothing here unless it is asked for: everything needs the package index, and takes minutes."""
    if os.environ.get("PENTAD_ADOPTION") == "1":
        return
    skip = pytest.mark.skip(reason="moves between upstream packages and ours run with PENTAD_ADOPTION=1")
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def make_environment(
    process_guard: ProcessGuard, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Environment]:
    """A function that makes an environment with these requirements from the package index.

    Whatever is asked of pip there later, the packages of this tree are found as wheels that are built of it now.
    """
    wheels = build_wheels(tmp_path_factory.mktemp("wheels"))

    def make(*requirements: str) -> Environment:
        folder = tmp_path_factory.mktemp("environment")
        return Environment.make(folder, wheels, process_guard, requirements)

    return make
