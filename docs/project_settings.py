"""Settings of a Django project with every Django package installed: for the reference pages and the type checker."""

SECRET_KEY = "only-for-building-the-documentation"  # noqa: S105  nothing is signed with it
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.admin",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "eventsourcing_django",
    "syzygy",
    "django_minio_backend",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
