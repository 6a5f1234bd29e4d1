"""README's examples are executed: each block is what a reader would type."""

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from pentad_services.s3 import S3Service

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()], patterns=["README.md"], fixtures=["readme_server"]
).pytest()


@pytest.fixture
def readme_server(s3_service: S3Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the examples a server in the variables that a reader sets."""
    monkeypatch.setenv("MINIO_ENDPOINT", s3_service.endpoint)
    monkeypatch.setenv("MINIO_ACCESS_KEY", s3_service.access_key)
    monkeypatch.setenv("MINIO_SECRET_KEY", s3_service.secret_key)
