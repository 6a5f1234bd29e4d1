"""The README's examples are executed, in the order in which a reader meets them."""

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()], patterns=["README.md"], fixtures=["readme_database"]
).pytest()


@pytest.fixture
def readme_database(transactional_db: None) -> None:
    """Give the examples a migrated database."""
