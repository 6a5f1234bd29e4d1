"""A library that records its events in its own database, which LIBRARY_DATABASE describes."""

import json
import os

SECRET_KEY = "for this project only"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["eventsourcing_django", "books"]
DATABASES = {"default": json.loads(os.environ["LIBRARY_DATABASE"])}
