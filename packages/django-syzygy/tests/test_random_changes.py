"""Whatever is changed release by release: in the end the schema is the one that plain Django makes.

RANDOM_CHANGES is the number of sequences, 12 by default.
"""

import functools
import json
import os
import random
import re
from pathlib import Path

import pytest
from project import Project, postgres_settings
from random_models import Shop

SEQUENCES = int(os.environ.get("RANDOM_CHANGES", "12"))


def releases(seed):
    """Two to four releases; some are made while the one before is not deployed yet."""
    rng = random.Random(seed)
    shop = Shop(rng)
    made = [{"models": shop.source(), "renames": [], "deploy": True, "changes": []}]
    for _ in range(rng.randint(2, 4)):
        changes = shop.change(rng.randint(1, 3))
        deploy = rng.random() < 0.75
        made.append({"models": shop.source(), "renames": shop.renames, "deploy": deploy, "changes": changes})
    return made


def comparable(schema, own_names):
    """A schema without what names of Django's own making say: they remember how things were called once."""

    def name(text):
        return text if text in own_names else "automatic"

    def definition(name, text):
        return text.replace(f"INDEX {name} ON", "INDEX ON") if name not in own_names else text

    ours = re.compile("syzygy_")
    return {
        "columns": [row for row in schema["columns"] if not ours.match(row[0])],
        "constraints": sorted([t, name(n), d, v] for t, n, d, v in schema["constraints"] if not ours.match(t)),
        "indexes": sorted([t, name(n), definition(n, d)] for t, n, d in schema["indexes"] if not ours.match(t)),
        "others": [row for row in schema["others"] if not ours.match(row[1]) and row[0] != "S"],
    }


@pytest.fixture(scope="module")
def replayed(command_server, postgres_service, tmp_path_factory):
    """Deploy the releases of a seed, once, with syzygy and with plain Django."""

    @functools.cache
    def replay(seed):
        urls = [postgres_service.create_database() for _ in range(2)]
        try:
            return _replay(seed, tmp_path_factory.mktemp("project"), command_server, *map(postgres_settings, urls))
        finally:
            for url in urls:
                postgres_service.drop_database(url)

    return replay


def _replay(seed, folder, command_server, settings, plain):
    databases, apps = {"default": settings, "plain": plain}, ["syzygy", "shop", "replay"]
    project = Project(folder, command_server, settings, DATABASES=databases, INSTALLED_APPS=apps)
    for package in ("replay", "replay/management", "replay/management/commands", "shop/plain_migrations"):
        project.write(f"{package}/__init__.py", "")
    project.write("replay/management/commands/replay.py", Path(__file__).with_name("replay.py").read_text())
    project.write("shop/models.py", "")
    project.write("releases.json", json.dumps(releases(seed)))
    try:
        return json.loads(project.run("replay", "releases.json").splitlines()[-1])
    finally:
        project.close()


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_the_schema_is_the_one_that_django_makes(seed, replayed):
    """Columns, types, nullability, defaults, constraints, indexes and given names are the same; nothing is left over."""
    sequence = releases(seed)
    own_names = set(re.findall(r"name='(\w+)'", sequence[-1]["models"]))
    ours, djangos = (comparable(schema, own_names) for schema in replayed(seed)["schemas"])
    assert djangos["columns"]
    assert ours == djangos, [release["changes"] for release in sequence]


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_no_release_is_refused(seed, replayed):
    """Releases that were made on top of one another deploy together."""
    assert replayed(seed)["refused"] == []


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_going_back(seed, replayed):
    """A deployment is reverted in two halves to the schema that was there before; halfway one can go on instead."""
    sequence = releases(seed)
    own_names = set(re.findall(r"name='(\w+)'", "".join(release["models"] for release in sequence)))
    for reached, expected in replayed(seed)["reverts"]:
        assert comparable(reached, own_names) == comparable(expected, own_names)
