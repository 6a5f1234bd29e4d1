"""Django's settings, made from the portal's."""

from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pentad_config import Secret
from pentad_config.django import django_keys
from portal.catalogue.event_browser.no_tables import APPS as APPS_WITHOUT_TABLES
from portal.settings import catalogue_settings

_portal = catalogue_settings()


def _database(url: Secret) -> dict[str, Any]:
    """Django's form of a postgresql:// address."""
    parts = urlsplit(str(url.reveal()))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
    }


DEBUG = False
SECRET_KEY, SECRET_KEY_FALLBACKS = django_keys(_portal.django_keys)
ALLOWED_HOSTS = [urlsplit(_portal.public_url).hostname or "", urlsplit(_portal.catalogue_url).hostname or ""]
ROOT_URLCONF = "portal.catalogue.urls"
WSGI_APPLICATION = "portal.catalogue.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
CATALOGUE_RELEASE = _portal.running_release

INSTALLED_APPS = [
    "syzygy",
    "eventsourcing_django",
    # Before the static files of Django, so that its collectstatic is the one that runs.
    "django_minio_backend.apps.DjangoMinioBackendConfig",
    "django.contrib.staticfiles",
    "portal.catalogue.event_browser.apps.EventBrowserConfig",
    # The admin wants these; nobody has an account here.
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "portal.catalogue.datasets",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "portal.catalogue.middleware.portal_headers",
    "django.middleware.csrf.CsrfViewMiddleware",
    "portal.catalogue.middleware.visitor_from_front_door",
    "django.contrib.messages.middleware.MessageMiddleware",
    "portal.catalogue.middleware.refused_method_page",
    "django_minio_backend.uploads.middleware.direct_uploads",
    "portal.catalogue.middleware.AwayPage",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "OPTIONS": {"environment": "portal.web.pages.environment", "static_url": _portal.static_url},
    },
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [__file__.replace("settings.py", "event_browser/templates")],  # before those of the apps
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    },
]

# Visitors are those of the front door: no accounts, no permissions in tables, no sessions, no sign-in of Django's.
AUTHENTICATION_BACKENDS: list[str] = []
MIGRATION_MODULES = dict.fromkeys(APPS_WITHOUT_TABLES)
DATABASE_ROUTERS = ["portal.catalogue.event_browser.no_tables.NoTables"]
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E410"]  # its middleware of accounts and sessions; ours knows visitors
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
SESSION_COOKIE_SECURE = _portal.cookie_https_only  # messages take these for their cookie
SESSION_COOKIE_SAMESITE = "Strict"

DATABASES = {"default": _database(_portal.database_url)}
_redis = str(_portal.redis_url.reveal())
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _redis,
        "KEY_PREFIX": "catalogue",
    },
    "quorum": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _redis, "KEY_PREFIX": "quorum"},
}
MIGRATION_QUORUM_BACKEND = {"backend": "syzygy.quorum.backends.cache.CacheQuorum", "alias": "quorum"}

EVENT_SOURCING_APPLICATION = {
    "PERSISTENCE_MODULE": "eventsourcing_django",
    "CIPHER_TOPIC": "eventsourcing_django.cipher:KeyRingCipher",
    "CIPHER_KEY": _portal.event_keys.ref or "",  # where the keys are, not the keys: they may change at any time
}
EVENTSOURCING_RUNNER = "portal.catalogue.datasets.search_feed.get_runner"

_INCOMING: Final = "incoming/"  # where browsers put files; a deposit moves its file from there
_S3: Final = {
    "MINIO_ENDPOINT": _portal.s3_endpoint,
    "MINIO_ACCESS_KEY": _portal.s3_access_key,
    "MINIO_SECRET_KEY": _portal.s3_secret_key,
    "MINIO_REGION": _portal.s3_region,
    "MINIO_USE_HTTPS": _portal.s3_secure,
}
STORAGES = {
    "default": {
        "BACKEND": "django_minio_backend.models.MinioBackend",
        "OPTIONS": _S3
        | {
            "MINIO_DEFAULT_BUCKET": _portal.private_bucket,
            "MINIO_PRIVATE_BUCKETS": [_portal.private_bucket],
            "MINIO_PUBLIC_BUCKETS": [_portal.preview_bucket],
            "MINIO_INCOMING_PREFIX": _INCOMING,
            "MINIO_BUCKETS": {
                _portal.private_bucket: {
                    "cors": [{"origins": [_portal.public_url], "methods": ["POST", "PUT"], "headers": ["*"]}],
                    "lifecycle": [{"prefix": _INCOMING, "expire_days": 2, "abort_uploads_days": 2}],
                }
            },
        },
    },
    "staticfiles": {
        "BACKEND": "django_minio_backend.models.MinioBackendStatic",
        "OPTIONS": _S3 | {"MINIO_STATIC_FILES_BUCKET": _portal.static_bucket},
    },
}
STATIC_URL = _portal.static_url
STATICFILES_DIRS = [__file__.removesuffix("catalogue/settings.py") + "static"]

# The browser speaks to the front door, which passes the Host header on unchanged: the check of a form's origin
# sees the public address.
CSRF_FAILURE_VIEW = "portal.catalogue.datasets.pages.not_ours"
CSRF_COOKIE_NAME = "catalogue_csrf"
CSRF_COOKIE_PATH = "/catalogue/"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_SECURE = _portal.cookie_https_only
CSRF_TRUSTED_ORIGINS = [_portal.public_url]
SECURE_REFERRER_POLICY = "same-origin"

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000  # form fields; files are streamed to disk above FILE_UPLOAD_MAX_MEMORY_SIZE
DATASET_MAX_BYTES = 50_000_000
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
DEFAULT_EXCEPTION_REPORTER_FILTER = "pentad_config.django.ReporterFilter"
