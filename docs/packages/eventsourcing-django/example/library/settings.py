"""Settings of the example project."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("LIBRARY_FOLDER", Path(__file__).parent.parent))

SECRET_KEY = os.environ.get("LIBRARY_SECRET_KEY", "for trying the example only")
USE_TZ = True
ROOT_URLCONF = "library.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.admin",
    "django.contrib.messages",
    "django.contrib.sessions",
    "eventsourcing_django",
    "lending",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
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
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "library.sqlite3",
        # A request that reads and then saves waits for its turn, instead of failing at once.
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
        "TEST": {"NAME": FOLDER / "test.sqlite3"},
    }
}

EVENT_SOURCING_APPLICATION = {
    "PERSISTENCE_MODULE": "eventsourcing_django",
    "IS_SNAPSHOTTING_ENABLED": "y",
}
