"""The databases that contract tests run on.

MariaDB or MySQL joins in if its address is given: PENTAD_TEST_MARIADB_URL=mysql://user:password@127.0.0.1:3306/name.
"""

import os

import pytest

ALIASES = ["default", "file", "postgres"]
if os.environ.get("PENTAD_TEST_MARIADB_URL"):
    ALIASES.append("mariadb")


def on_database(alias):
    """Give the mark that empties a database for a test and starts its positions at 1."""
    return pytest.mark.django_db(transaction=True, reset_sequences=True, databases=[alias])


def for_each_database(base):
    """Make a test class, from one that reads `self.alias`, for each database; return them by name."""
    classes = {}
    for alias in ALIASES:
        name = f"Test{base.__name__.removeprefix('_')}_{alias}"
        made = type(name, (base,), {"alias": alias, "__test__": True, "__module__": base.__module__})
        classes[name] = on_database(alias)(made)
    return classes
