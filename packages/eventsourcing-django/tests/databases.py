"""The databases that contract tests run on."""

import pytest

ALIASES = ["default", "file", "postgres"]


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
