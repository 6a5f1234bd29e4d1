"""Settings of the tests that run in this process; tests of whole commands write projects of their own."""

SECRET_KEY = "tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    # Where the app `warehouse` lives, which has no models of its own: see warehouse.py.
    "postgres": {"ENGINE": "django.db.backends.postgresql", "NAME": "warehouse"},
}
DATABASE_ROUTERS = ["warehouse.Router"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "syzygy"]
