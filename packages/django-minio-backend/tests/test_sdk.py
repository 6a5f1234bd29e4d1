"""Releases of the minio package."""

import importlib

import minio
import pytest

from django_minio_backend import sdk


def test_a_release_that_cannot_work_is_refused_at_import(monkeypatch):
    """With minio 7.2.19 importing the package says what to install; the other releases of the series are taken."""
    monkeypatch.setattr(minio, "__version__", "7.2.19")
    with pytest.raises(ImportError, match=r"minio 7\.2\.19.*pip install 'minio!=7\.2\.19'"):
        importlib.reload(sdk)
    monkeypatch.setattr(minio, "__version__", "7.2.18")
    assert importlib.reload(sdk).UNUSABLE == ("7.2.19",)
