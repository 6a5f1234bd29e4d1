"""Fixtures for pytest: put `pytest_plugins = ["mock_slurm.plugin"]` into a top-level conftest.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mock_slurm.instance import MockSlurm

__all__ = ["mock_slurm", "mock_slurm_config"]


@pytest.fixture
def mock_slurm_config() -> Mapping[str, Any]:
    """Settings over the default cluster; override this fixture to change them."""
    return {}


@pytest.fixture
def mock_slurm(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    mock_slurm_config: Mapping[str, Any],
) -> Iterator[MockSlurm]:
    """A running cluster of one's own, its commands first on PATH; every job is ended afterwards."""
    with MockSlurm(tmp_path_factory.mktemp("mock_slurm"), mock_slurm_config) as cluster:
        for name, value in cluster.environ.items():
            monkeypatch.setenv(name, value)
        yield cluster
