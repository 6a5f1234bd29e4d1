"""Django settings of the tests. Storages are configured by fixtures, when the server's address is known."""

SECRET_KEY = "only for tests"
USE_TZ = True
TIME_ZONE = "Europe/Budapest"
INSTALLED_APPS = ["django_minio_backend", "django.contrib.staticfiles", "library"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
