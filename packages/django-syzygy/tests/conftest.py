"""Projects on SQLite and on PostgreSQL."""

import pytest
from project import Project, postgres_settings


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    yield made
    made.close()


@pytest.fixture
def postgres_project(tmp_path, postgres_database):
    made = Project(
        tmp_path,
        postgres_settings(postgres_database),
        MIGRATION_QUORUM_BACKEND="syzygy.quorum.backends.postgres.PostgresQuorum",
    )
    yield made
    made.close()
