"""The README's examples are executed, in the order in which a reader meets them."""

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from eventsourcing_django.library import IS_10

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()], patterns=["README.md"], fixtures=["readme_database"]
).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the examples out where they cannot run: they are written for eventsourcing 9."""
    items[:] = [item for item in items if not (IS_10 and item.path.name == "README.md")]


@pytest.fixture
def readme_database(transactional_db: None) -> None:
    """Give the examples a migrated database."""
