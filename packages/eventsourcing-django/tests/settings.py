"""Django settings of the tests; `conftest.py` adds the databases `postgres` and `mariadb`."""

import atexit
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import unquote, urlsplit

import pymysql

# The driver that Django names, mysqlclient, has to be compiled; this one speaks the same protocol and needs nothing.
pymysql.install_as_MySQLdb()


def from_url(url: str) -> dict:
    """Give the DATABASES entry for 'sqlite:///path', 'postgresql://user:password@host:port/name' or 'mysql://...'."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path, "OPTIONS": {"timeout": 120}}
    is_mysql = parts.scheme == "mysql"
    return {
        "ENGINE": "django.db.backends.mysql" if is_mysql else "django.db.backends.postgresql",
        # Without being told, the driver reads all the certificates of the machine for each connection.
        "OPTIONS": {"ssl_disabled": True} if is_mysql else {},
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": parts.port,
    }


SECRET_KEY = "a key for tests only"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "urls"
STATIC_URL = "/static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "eventsourcing_django",
    "school",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# A process that a test starts is given its database; the tests themselves use SQLite in memory and in a file.
if os.environ.get("SCHOOL_DATABASE_URL"):
    DATABASES = {"default": from_url(os.environ["SCHOOL_DATABASE_URL"])}
    if os.environ.get("SCHOOL_RUNNER"):
        EVENTSOURCING_RUNNER = os.environ["SCHOOL_RUNNER"]
else:
    _FOLDER = Path(mkdtemp(prefix="eventsourcing_django_"))
    _FILE = str(_FOLDER / "events.sqlite3")
    atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
    DATABASES = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "file": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": _FILE,
            "OPTIONS": {"timeout": 120},
            "TEST": {"NAME": _FILE, "DEPENDENCIES": []},
        },
    }
