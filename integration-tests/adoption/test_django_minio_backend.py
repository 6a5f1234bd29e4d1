"""An archive moves from django-minio-backend 3 and 4 and from django-storages to ours and back; its papers stay."""

import json
import shutil
from pathlib import Path

import pytest
from minio import Minio

from adoption.environment import commands_of

PAGE = "docs/packages/django-minio-backend/migrating.md"
PROJECT = Path(__file__).parent / "django_minio_backend"
BUCKETS = ("pentad-archive-contracts", "pentad-archive-media", "pentad-archive-pictures", "pentad-archive-static")
OURS = "pentad-django-minio-backend"


class Archive:
    """A copy of the project, whose commands an environment runs on the S3 server."""

    def __init__(self, environment, folder, server):
        self._environment, self._folder = environment, folder / "archive"
        shutil.copytree(PROJECT, self._folder, ignore=shutil.ignore_patterns("__pycache__"))
        self._server = {
            "ARCHIVE_S3_ENDPOINT": server.endpoint, "ARCHIVE_S3_ACCESS_KEY": server.access_key,
            "ARCHIVE_S3_SECRET_KEY": server.secret_key, "ARCHIVE_S3_REGION": server.region,
        }  # fmt: skip
        self.settings = None

    @property
    def _variables(self):
        return {**self._server, "DJANGO_SETTINGS_MODULE": f"archive.{self.settings}"}

    def manage(self, *arguments):
        return self._environment.run("python", "manage.py", *arguments, cwd=self._folder, variables=self._variables)

    def page(self, name):
        """Run commands of the page; return what they print."""
        return self._environment.script(commands_of(PAGE, name), cwd=self._folder, variables=self._variables)

    def begin(self):
        """Start as a project does that has been on its package from the first day."""
        self.manage("makemigrations", "papers")
        self.manage("migrate")
        self.manage("collectstatic", "--noinput")
        self.manage("file", "ada", "bob")

    def report(self):
        return json.loads(self.manage("report"))

    def installed(self):
        return set(self._environment.versions())


@pytest.fixture
def server(s3_service):
    """The S3 server, with none of the archive's buckets before and after."""
    for name in BUCKETS:
        s3_service.drop_bucket(name)
    yield s3_service
    for name in BUCKETS:
        s3_service.drop_bucket(name)


@pytest.fixture
def make_archive(make_environment, tmp_path, server):
    """A function that makes the project in an environment with these requirements."""
    return lambda *requirements: Archive(make_environment(*requirements), tmp_path, server)


def filed(report):
    """The titles of a report, each of whose files is whole, opens by its link, and is private or public as declared."""
    for title, paper in report["papers"].items():
        for field, public in (("contract", False), ("picture", True), ("note", False)):
            content = f"{field} of {title}"
            expected = {"content": content, "link": content, "anonymously": content if public else 403}
            assert {key: paper[field][key] for key in expected} == expected
    assert report["style"] == "body { margin: 0 }\n"
    return list(report["papers"])


def moved_and_back(archive, before, after, names):
    """Move from the settings `before` to those `after`, work, and go back; `names` are of the page's commands."""
    to, back = names
    archive.page(to)
    archive.settings = after
    archive.page("look")
    at_first = archive.report()
    archive.page("apply")
    assert archive.report() == at_first
    archive.manage("file", "carol")
    assert filed(archive.report()) == ["ada", "bob", "carol"]
    archive.page(back)
    archive.settings = before
    return at_first


@pytest.mark.parametrize(
    ("requirements", "before", "after", "names"),
    [
        (
            ["ak-django-minio-backend==3.3.2.4", "django<5", "minio==7.1.17"],
            "settings_3", "settings_3_moved", ("from-3", "to-3"),
        ),
        (
            ["django-minio-backend>=4,<5", "django==5.2.*"], "settings_4", "settings_4", ("from-4", "to-4"),
        ),
    ],
    ids=["3.x", "4.x"],
)  # fmt: skip
def test_an_archive_moves_from_django_minio_backend_and_back(make_archive, requirements, before, after, names):
    """Names, contents and links are the same before, in between and afterwards; only listings are closed."""
    archive = make_archive(*requirements)
    archive.settings = before
    archive.manage("initialize_buckets")
    archive.begin()
    report = archive.report()
    assert filed(report) == ["ada", "bob"]

    assert moved_and_back(archive, before, after, names) == report
    assert OURS not in archive.installed()
    assert filed(archive.report()) == ["ada", "bob", "carol"]
    archive.manage("file", "dave")
    assert filed(archive.report()) == ["ada", "bob", "carol", "dave"]


def test_an_archive_moves_from_django_storages_and_back(make_archive, server):
    """Its objects stay where they are; rows whose storage had a location get it into their names, and lose it again."""
    client = Minio(server.endpoint, server.access_key, server.secret_key, secure=server.secure, region=server.region)
    for name in BUCKETS:
        client.make_bucket(name)
    for name in ("pentad-archive-pictures", "pentad-archive-static"):
        client.set_bucket_policy(name, json.dumps(everyone_reads(name)))
    archive = make_archive("django-storages[s3]==1.14.6", "django==5.2.*")
    archive.settings = "settings_storages"
    archive.begin()
    report = archive.report()
    assert filed(report) == ["ada", "bob"]

    archive.page("from-django-storages")
    archive.settings = "settings_storages_moved"
    archive.page("relocate")
    archive.page("look")
    archive.page("apply")
    moved = archive.report()
    assert without_location(moved) == report != moved
    archive.manage("file", "carol")
    assert filed(archive.report()) == ["ada", "bob", "carol"]

    archive.page("to-django-storages")
    archive.settings = "settings_storages"
    archive.page("relocate-back")
    assert OURS not in archive.installed()
    archive.manage("file", "dave")
    back = archive.report()
    assert filed(back) == ["ada", "bob", "carol", "dave"]
    assert {title: back["papers"][title] for title in ("ada", "bob")} == report["papers"]


def everyone_reads(bucket):
    statement = {
        "Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }  # fmt: skip
    return {"Version": "2012-10-17", "Statement": [statement]}


def without_location(report):
    text = json.dumps(report)
    return json.loads(text.replace('"name": "media/', '"name": "'))
