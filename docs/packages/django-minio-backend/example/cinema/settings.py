"""Settings of the example project."""

import os

SECRET_KEY = os.environ.get("CINEMA_SECRET_KEY", "for trying the example only")
SITE = os.environ.get("CINEMA_SITE", "http://127.0.0.1:8000")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
DEBUG = True
USE_TZ = True
STATIC_URL = "static/"
ROOT_URLCONF = "cinema.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "cinema.sqlite3"}}
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
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_minio_backend",
    "django.contrib.staticfiles",
    "films",
]

# What uploads need:
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_minio_backend.uploads.middleware.direct_uploads",
    "django.contrib.messages.middleware.MessageMiddleware",
]
STORAGES = {
    "default": {
        "BACKEND": "django_minio_backend.models.MinioBackend",
        "OPTIONS": {
            "MINIO_ENDPOINT": os.environ.get("MINIO_ENDPOINT", "127.0.0.1:8333"),
            "MINIO_ACCESS_KEY": "env:MINIO_ACCESS_KEY",
            "MINIO_SECRET_KEY": "env:MINIO_SECRET_KEY",
            "MINIO_DEFAULT_BUCKET": "cinema",
            "MINIO_PRIVATE_BUCKETS": ["cinema"],
            "MINIO_INCOMING_PREFIX": "incoming/",
            "MINIO_BUCKETS": {
                "cinema": {
                    "cors": [{"origins": [SITE], "methods": ["POST", "PUT"], "headers": ["*"]}],
                    "lifecycle": [{"prefix": "incoming/", "expire_days": 2, "abort_uploads_days": 2}],
                }
            },
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
