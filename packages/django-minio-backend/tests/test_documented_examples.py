"""Projects set up as the documentation of the 3.x releases shows run as they are, in processes of their own."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

BUCKETS = [
    "django-backend-dev-private",
    "django-backend-dev-public",
    "my-static-files-bucket",
    "my-media-files-bucket",
    "images-public",
    "auto-generated-bucket-media-files",
]

SETTINGS = """
from datetime import timedelta
from typing import List, Tuple

MINIO_ENDPOINT = 'minio.your-company.co.uk'
MINIO_EXTERNAL_ENDPOINT = "external-minio.your-company.co.uk"  # Default is same as MINIO_ENDPOINT
MINIO_EXTERNAL_ENDPOINT_USE_HTTPS = True  # Default is same as MINIO_USE_HTTPS
MINIO_REGION = 'us-east-1'
MINIO_ACCESS_KEY = 'yourMinioAccessKey'
MINIO_SECRET_KEY = 'yourVeryS3cr3tP4ssw0rd'
MINIO_USE_HTTPS = True
MINIO_URL_EXPIRY_HOURS = timedelta(days=1)
MINIO_CONSISTENCY_CHECK_ON_START = True
MINIO_PRIVATE_BUCKETS = [
    'django-backend-dev-private',
]
MINIO_PUBLIC_BUCKETS = [
    'django-backend-dev-public',
]
MINIO_POLICY_HOOKS: List[Tuple[str, dict]] = []
MINIO_BUCKET_CHECK_ON_SAVE = True

import os
import certifi
import urllib3
timeout = timedelta(minutes=5).seconds
ca_certs = os.environ.get('SSL_CERT_FILE') or certifi.where()
MINIO_HTTP_CLIENT: urllib3.poolmanager.PoolManager = urllib3.PoolManager(
    timeout=urllib3.util.Timeout(connect=timeout, read=timeout),
    maxsize=10,
    cert_reqs='CERT_REQUIRED',
    ca_certs=ca_certs,
    retries=urllib3.Retry(
        total=5,
        backoff_factor=0.2,
        status_forcelist=[500, 502, 503, 504]
    )
)
"""

BASICS = """
SECRET_KEY = "x"
USE_TZ = True
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/db.sqlite3"}}}}
INSTALLED_APPS = ["django.contrib.staticfiles", "{app}", "attachments"]
"""

MODELS = """
from django.db import models
from django_minio_backend import MinioBackend, iso_date_prefix

class PrivateAttachment(models.Model):
    file = models.FileField(verbose_name="Object Upload",
                            storage=MinioBackend(bucket_name='django-backend-dev-private'),
                            upload_to=iso_date_prefix)

class Picture(models.Model):
    image = models.ImageField(storage=MinioBackend(bucket_name='images-public', replace_existing=True))
"""

# What `python -m django` does, without a new interpreter for every command. makemigrations writes modules.
ONE_AFTER_THE_OTHER = """
import importlib, json, sys
from django.core.management import execute_from_command_line
for command in json.loads(sys.argv[1]):
    importlib.invalidate_caches()
    execute_from_command_line(["django", *command])
"""


@pytest.fixture
def project(tmp_path, s3_service):
    """A function that writes a project and runs commands in a process; the documented address is the server's."""
    here = f"""
MINIO_ENDPOINT = "{s3_service.endpoint}"
MINIO_EXTERNAL_ENDPOINT = "{s3_service.endpoint}"
MINIO_EXTERNAL_ENDPOINT_USE_HTTPS = MINIO_USE_HTTPS = False
MINIO_ACCESS_KEY = "{s3_service.access_key}"
MINIO_SECRET_KEY = "{s3_service.secret_key}"
MINIO_PUBLIC_BUCKETS = MINIO_PUBLIC_BUCKETS + ["images-public"]
"""

    def run(*commands, more="", app="django_minio_backend"):
        basics = BASICS.format(folder=tmp_path, app=app)
        (tmp_path / "project.py").write_text(basics + SETTINGS + here + more)
        (tmp_path / "attachments").mkdir(exist_ok=True)
        (tmp_path / "attachments" / "__init__.py").touch()
        (tmp_path / "attachments" / "models.py").write_text(MODELS)
        environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "project", "PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps(commands)],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    yield run
    for bucket in BUCKETS:
        s3_service.drop_bucket(bucket)


def succeed(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def script(text):
    return ["shell", "--no-startup", "-c", textwrap.dedent(text)]


def test_the_documented_project_starts_and_stores(project):
    """With the documented settings and model, files are stored under today's date in the private bucket."""
    printed = succeed(
        project(
            ["initialize_buckets"],
            ["makemigrations", "attachments"],
            ["sqlmigrate", "attachments", "0001"],
            ["migrate", "--verbosity", "0"],
            script("""
                from attachments.models import PrivateAttachment
                from django.core.files.base import ContentFile
                from django_minio_backend import get_iso_date
                made = PrivateAttachment.objects.create(file=ContentFile("content", "report.txt"))
                assert made.file.name == f"{get_iso_date()}/report.txt", made.file.name
                import urllib.request
                print(urllib.request.urlopen(made.file.url).read().decode())
            """),
            ["makemigrations", "attachments", "--check"],
        )
    )
    assert "Bucket (django-backend-dev-private) OK" in printed
    assert "yourVeryS3cr3tP4ssw0rd" not in printed
    assert "CREATE TABLE" in printed
    assert "content\nNo changes" in printed


def test_the_documented_health_check(project):
    """The documented check of the server prints OK without any bucket being named; the app by its other name."""
    printed = succeed(
        project(
            script("""
                from django_minio_backend import MinioBackend
                minio_available = MinioBackend().is_minio_available()  # An empty string is fine this time
                if minio_available:
                    print("OK")
                else:
                    print("NOK")
                    print(minio_available.details)
            """),
            app="django_minio_backend.apps.DjangoMinioBackendConfig",
        )
    )
    assert printed.endswith("OK\n")


def test_the_command_starts_the_documented_hooks(project, sdk):
    """A hook in MINIO_POLICY_HOOKS, a list of bucket and policy, is run by initialize_buckets."""
    more = """
from django_minio_backend.policies import public_read_policy
MINIO_POLICY_HOOKS = [("django-backend-dev-private", public_read_policy("django-backend-dev-private"))]
"""
    succeed(project(["initialize_buckets"], more=more))
    assert "s3:GetObject" in sdk.get_bucket_policy("django-backend-dev-private")


def test_removed_settings_are_explained(project):
    """The documented settings that Django has removed since end `check` with the entries to write instead."""
    more = """
STATICFILES_STORAGE = 'django_minio_backend.models.MinioBackendStatic'
DEFAULT_FILE_STORAGE = 'django_minio_backend.models.MinioBackend'
"""
    done = project(["check"], more=more)
    assert done.returncode == 1
    assert done.stderr.count("django_minio_backend.E001") == 2
    for alias in ("staticfiles", "default"):
        assert f'"{alias}": {{"BACKEND"' in done.stderr


def test_the_documented_static_and_default_storages(project):
    """With the entries in STORAGES that replace the removed settings, the documented buckets are used."""
    more = """
STORAGES = {
    "default": {"BACKEND": "django_minio_backend.models.MinioBackend"},
    "staticfiles": {"BACKEND": "django_minio_backend.models.MinioBackendStatic"},
}
MINIO_STATIC_FILES_BUCKET = 'my-static-files-bucket'  # replacement for STATIC_ROOT
MINIO_MEDIA_FILES_BUCKET = 'my-media-files-bucket'  # replacement for MEDIA_ROOT
MINIO_PUBLIC_BUCKETS.append(MINIO_STATIC_FILES_BUCKET)
MINIO_PRIVATE_BUCKETS.append(MINIO_MEDIA_FILES_BUCKET)
"""
    printed = succeed(
        project(
            ["initialize_buckets"],
            script("""
                from django.core.files.base import ContentFile
                from django.core.files.storage import default_storage, storages
                default_storage.save("a.txt", ContentFile("a"))
                storages["staticfiles"].save("b.css", ContentFile("b"))
                print(default_storage.url("a.txt"), storages["staticfiles"].url("b.css"))
            """),
            more=more,
        )
    )
    media, static = printed.split()[-2:]
    assert "/my-media-files-bucket/a.txt?" in media and "X-Amz-Expires=86400" in media
    assert static.endswith("/my-static-files-bucket/b.css")
