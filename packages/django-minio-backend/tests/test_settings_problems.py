"""What is said about settings that cannot work: everything at once, by its place, and never its value."""

import os
import ssl

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.files.storage import storages

from django_minio_backend import MinioBackend
from django_minio_backend.utils import ConfigurationError, PrivatePublicMixedError
from pentad_config import override

BACKEND = "django_minio_backend.models.MinioBackend"
GOOD = {
    "MINIO_ENDPOINT": "minio:9000",
    "MINIO_ACCESS_KEY": "access",
    "MINIO_SECRET_KEY": "secret",
    "MINIO_PRIVATE_BUCKETS": ["private"],
}
SHOWN_NOWHERE = "hunter2"


class WithOwnName(MinioBackend):
    """A project's own storage."""


@pytest.fixture
def entries(settings):
    """A function that makes the named entries of STORAGES from the good settings and the given differences."""

    def make(backend=BACKEND, **aliases):
        settings.STORAGES = {
            alias: {"BACKEND": backend, "OPTIONS": GOOD | different} for alias, different in aliases.items()
        }

    return make


def ready():
    return apps.get_app_config("django_minio_backend").ready()


def refusal(kind=ConfigurationError):
    """What is said when Django starts."""
    with pytest.raises(kind) as caught:
        ready()
    return str(caught.value)


def test_the_start_names_the_problems_of_all_entries(entries):
    """A project mends all of its storages before it starts Django a second time."""
    entries(first={"MINIO_READ_TIMEOUT": 0}, second={"MINIO_SECRET_KEY": ""}, third={})
    text = refusal()
    assert 'STORAGES["first"]["OPTIONS"]["MINIO_READ_TIMEOUT"]: a positive number of seconds is needed.' in text
    assert 'STORAGES["second"]["OPTIONS"]["MINIO_SECRET_KEY"]: missing' in text
    assert "third" not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MINIO_ENDPOINT", f"http://user:{SHOWN_NOWHERE}@minio:9000"),
        ("MINIO_USE_HTTPS", SHOWN_NOWHERE),
        ("MINIO_REGION", [SHOWN_NOWHERE]),
        ("MINIO_URL_EXPIRY_HOURS", SHOWN_NOWHERE),
        ("MINIO_PRIVATE_BUCKETS", SHOWN_NOWHERE),
        ("MINIO_PUBLIC_BUCKETS", {SHOWN_NOWHERE: 1}),
        ("MINIO_POLICY_HOOKS", [SHOWN_NOWHERE]),
        ("MINIO_DEFAULT_BUCKET", [SHOWN_NOWHERE]),
        ("MINIO_STATIC_FILES_BUCKET", ""),
        ("MINIO_HTTP_CLIENT", SHOWN_NOWHERE),
        ("MINIO_CREDENTIALS", SHOWN_NOWHERE),
        ("MINIO_CONNECT_TIMEOUT", float("nan")),
        ("MINIO_RETRIES", -1),
        ("MINIO_RETRIES", SHOWN_NOWHERE),
        ("MINIO_MULTIPART_PART_SIZE", 0),
        ("MINIO_URL_CACHE_TIMEOUT", SHOWN_NOWHERE),
        ("MINIO_URL_CACHE_PREFIX", 5),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(entries, name, value):
    """Whoever reads the message learns where to look and what to write; the value may be a secret."""
    entries(default={name: value})
    with pytest.raises(ConfigurationError) as caught:
        MinioBackend("private")
    assert f'STORAGES["default"]["OPTIONS"]["{name}"]: ' in str(caught.value)
    assert "needed" in str(caught.value)
    assert SHOWN_NOWHERE not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("MINIO_USE_HTTPS", "False", False),
        ("MINIO_USE_HTTPS", "yes", True),
        ("MINIO_USE_HTTPS", 1, True),
        ("MINIO_PUBLIC_LISTING", None, False),
        ("MINIO_READ_TIMEOUT", "2.5", 2.5),
        ("MINIO_RETRIES", "7", 7),
        ("MINIO_EXTERNAL_ENDPOINT", "", None),
        ("MINIO_CONDITIONAL_WRITES", "", None),
        ("MINIO_REGION", None, None),
        ("MINIO_PUBLIC_BUCKETS", None, ()),
    ],
)
def test_values_may_be_as_the_environment_gives_them(entries, name, text, value):
    """A settings file that copies variables works: text is read as the type that the setting has."""
    entries(default={name: text})
    assert MinioBackend("private").options.get(name) == value


def test_a_global_setting_is_named_as_such(entries, settings):
    """What every entry inherits is mended in one place, so the message names that place, once."""
    entries(first={}, second={})
    settings.MINIO_CONNECT_TIMEOUT = "soon"
    assert refusal() == "MINIO_CONNECT_TIMEOUT: a number is needed, not str."


def test_a_keyword_is_named_as_such(entries):
    """Of a storage that a model builds, the keyword is what has to be mended."""
    entries(default={})
    with pytest.raises(ConfigurationError, match=r"^keyword MINIO_RETRIES: a whole number from 0 on is needed\.$"):
        MinioBackend("private", MINIO_RETRIES=-1)


def test_what_django_passes_on_is_named_by_its_entry(entries):
    """Django hands OPTIONS over as keywords; the message names the entry nevertheless."""
    entries(default={}, archive={"MINIO_READ_TIMEOUT": -2.5})
    with pytest.raises(ConfigurationError, match=r'STORAGES\["archive"\]\["OPTIONS"\]\["MINIO_READ_TIMEOUT"\]'):
        storages["archive"]


def test_a_misspelt_setting_is_named_beside_what_is_missing(entries, settings):
    """A required setting that is missing is often there, under another name; so is a global one."""
    entries(default={"MINIO_ENDPOINT": None, "MINIO_ENDPIONT": "minio:9000"})
    settings.MINIO_RETRYS = 5
    text = refusal()
    assert '["MINIO_ENDPIONT"]: unknown setting. Did you mean MINIO_ENDPOINT?' in text
    assert "MINIO_RETRYS: unknown setting. Did you mean MINIO_RETRIES?" in text


def test_a_mixed_bucket_is_reported_with_everything_else(entries):
    """The error is of the kind that such a bucket has always raised, and a ConfigurationError as well."""
    entries(first={"MINIO_PUBLIC_BUCKETS": ["private"]}, second={"MINIO_RETRIES": -1})
    text = refusal(PrivatePublicMixedError)
    assert 'STORAGES["first"]["OPTIONS"]["MINIO_PUBLIC_BUCKETS"]' in text and '"second"' in text
    assert issubclass(PrivatePublicMixedError, ConfigurationError)


def test_the_start_reads_the_credentials(entries, tmp_path):
    """A key that cannot be read is found when Django starts, not at the first file."""
    entries(default={"MINIO_ACCESS_KEY": f"file:{tmp_path / 'none'}", "MINIO_SECRET_KEY": "env:NOT_SET_ANYWHERE"})
    text = refusal()
    assert f'["MINIO_ACCESS_KEY"]: {tmp_path / "none"} does not exist.' in text
    assert '["MINIO_SECRET_KEY"]: the environment variable NOT_SET_ANYWHERE is not set.' in text


def test_building_a_storage_reads_no_credentials(entries):
    """A migration can be loaded where the keys are not: it names the variables that they may come from."""
    entries(default={})
    assert MinioBackend("private", MINIO_SECRET_KEY="env:NOT_SET_ANYWHERE").bucket == "private"


def test_the_environment_is_no_source(entries):
    """A variable that happens to have a setting's name changes nothing."""
    entries(default={})
    with override(MINIO_ENDPOINT="elsewhere:1", MINIO_RETRIES="9", MINIO_ENDPIONT="x"):
        assert ready() is True
        storage = MinioBackend("private")
    assert (storage.base_url, storage.options.get("MINIO_RETRIES")) == ("http://minio:9000", 3)


@pytest.mark.parametrize(("content", "what"), [(None, "cannot be read"), ("no certificate", "PEM")])
def test_the_start_looks_at_the_certificate_authorities(entries, tmp_path, content, what):
    """A file of authorities that is missing or none is found when Django starts, if any storage speaks TLS."""
    file = tmp_path / "authorities.pem"
    if content:
        file.write_text(content)
    with override(SSL_CERT_FILE=str(file)):
        entries(default={"MINIO_USE_HTTPS": False})
        assert ready() is True
        entries(default={"MINIO_USE_HTTPS": True})
        assert refusal().startswith(f"SSL_CERT_FILE: {file} ") and what in refusal()
        with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
            MinioBackend("private").exists("name")


def test_usable_certificate_authorities_are_accepted(entries):
    """The system's own file may be named."""
    file = ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile
    assert os.path.isfile(file)
    with override(SSL_CERT_FILE=file):
        entries(default={"MINIO_USE_HTTPS": True})
        assert ready() is True


def test_the_checks_name_all_problems_of_all_entries(entries):
    """`manage.py check` looks at the entries of a project's own subclasses too, without building them."""
    entries(f"{__name__}.WithOwnName", first={"MINIO_RETRIES": -1, "MINIO_RETRYS": 1}, second={"MINIO_ENDPOINT": ""})
    assert ready() is True
    found = [(message.id, message.msg) for message in run_checks() if "minio" in str(message.id)]
    assert [(number, text.partition(": ")[0]) for number, text in found] == [
        ("django_minio_backend.E002", 'STORAGES["first"]["OPTIONS"]["MINIO_RETRIES"]'),
        ("django_minio_backend.E002", 'STORAGES["second"]["OPTIONS"]["MINIO_ENDPOINT"]'),
        ("django_minio_backend.W001", 'STORAGES["first"]["OPTIONS"]["MINIO_RETRYS"]'),
    ]
