"""A shop moves from django-syzygy 1.2.3 to ours in the middle of a deployment, and back after one of ours."""

import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from adoption.environment import commands_of

PAGE = "docs/packages/django-syzygy/upgrading.md"
PROJECT = Path(__file__).parent / "syzygy"


class Shop:
    """A copy of the project, whose commands an environment runs on a database."""

    def __init__(self, environment, folder, url):
        self.environment = environment
        self.folder = folder / "shop"
        self.use_database(url)
        shutil.copytree(PROJECT, self.folder, ignore=shutil.ignore_patterns("__pycache__"))

    def use_database(self, url):
        parts = urlsplit(url)
        database = {
            "ENGINE": "django.db.backends.postgresql", "NAME": parts.path[1:], "HOST": parts.hostname,
            "PORT": parts.port, "USER": parts.username, "PASSWORD": parts.password,
        }  # fmt: skip
        self.variables = {"SHOP_DATABASE": json.dumps(database)}

    def manage(self, *arguments):
        return self.environment.run(
            "python", "manage.py", *arguments, cwd=self.folder, variables=self.variables, timeout=600
        )

    def script(self, commands):
        return self.environment.script(commands, cwd=self.folder, variables=self.variables)

    def release(self, number):
        """Take the models of a release."""
        shutil.copy(self.folder / f"release_{number}.py", self.folder / "shop/models.py")

    def unapplied(self):
        return [line for line in self.manage("showmigrations", "--plan").splitlines() if line.startswith("[ ]")]


@pytest.fixture
def shop(make_environment, tmp_path, postgres_database):
    return Shop(make_environment("django-syzygy==1.2.3", "psycopg[binary]"), tmp_path, postgres_database)


def rows(url, statement):
    with psycopg.connect(url) as connection:
        answer = connection.execute(statement)
        return answer.fetchall() if answer.description else []


def schema(url):
    """The columns of the table, and what its constraints demand; names and order are each database's own."""
    columns = rows(
        url,
        "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_name = 'shop_item' ORDER BY column_name",
    )
    constraints = rows(
        url, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'shop_item'::regclass ORDER BY 1"
    )
    return columns, constraints


def test_a_shop_moves_in_the_middle_of_a_deployment_and_back(shop, postgres_database, postgres_service):
    """What one package has written and begun, the other one finishes, and the database is the same in the end."""
    shop.release(1)
    shop.manage("makemigrations", "shop")
    shop.manage("migrate")
    add = "INSERT INTO shop_item (name, price, shelf) VALUES "
    rows(postgres_database, add + "('chair', 40, 'A1'), ('table', 90, 'A2')")
    shop.release(2)
    shop.manage("makemigrations", "shop", "--noinput")
    shop.manage("migrate", "--pre-deploy")
    (waiting,) = shop.unapplied()
    rows(postgres_database, add + "('lamp', 20, 'B1')")

    shop.script(commands_of(PAGE, "to-pentad"))
    assert {"pentad-syzygy", "django-syzygy"} & set(shop.environment.versions()) == {"pentad-syzygy"}
    shop.manage("makemigrations", "--check", "--dry-run")
    shop.manage("migrate", "--pre-deploy")
    (still_waiting,) = shop.unapplied()
    assert still_waiting.split()[2] == waiting.split()[2]
    shop.manage("migrate")
    items = rows(postgres_database, "SELECT name, price, quantity FROM shop_item ORDER BY id")
    assert items == [("chair", 40, 1), ("table", 90, 1), ("lamp", 20, 1)]

    shop.release(3)
    renamed_under_both_names = r"printf 'y\n4\n' | python manage.py makemigrations shop"
    shop.script(renamed_under_both_names)
    shop.manage("migrate", "--pre-deploy")
    rows(postgres_database, "INSERT INTO shop_item (name, price, quantity) VALUES ('bench', 70, 2)")

    shop.script(commands_of(PAGE, "to-django-syzygy"))
    assert shop.environment.versions()["django-syzygy"] == "1.2.3"
    items = rows(postgres_database, "SELECT name, cost, quantity FROM shop_item ORDER BY id")
    assert items == [("chair", 40, 1), ("table", 90, 1), ("lamp", 20, 1), ("bench", 70, 2)]
    assert rows(postgres_database, "SELECT count(DISTINCT code) FROM shop_item") == [(4,)]

    empty = postgres_service.create_database()
    shop.use_database(empty)
    shop.manage("migrate")
    assert schema(empty) == schema(postgres_database)
