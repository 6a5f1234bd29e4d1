"""What the settings of the archive have in common, whatever stores its papers."""

import os

SECRET_KEY = "for this project only"
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.staticfiles", "papers"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "archive.sqlite3"}}
S3 = {name: os.environ[f"ARCHIVE_S3_{name}"] for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY", "REGION")}
