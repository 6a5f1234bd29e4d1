"""Migrations, comparison, copies and pickles of storages; and that no secret shows anywhere."""

import copy
import pickle
import secrets
from importlib import invalidate_caches

import pytest
import urllib3
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import models
from django.db.migrations.writer import MigrationWriter
from library.models import Document
from minio.credentials.providers import StaticProvider

from django_minio_backend import MinioBackend, MinioBackendStatic
from pentad_config import Secret, SecretMisuse, override

SECRET = "a-very-secret-key-0123456789"


def test_only_given_arguments_are_written(configure, s3_bucket):
    """deconstruct() names the documented class and the arguments that were given."""
    configure()
    storage = MinioBackend(s3_bucket, replace_existing=True)
    assert storage.deconstruct() == (
        "django_minio_backend.models.MinioBackend",
        [s3_bucket],
        {"replace_existing": True},
    )
    assert MinioBackend(bucket_name=s3_bucket).deconstruct()[2] == {"bucket_name": s3_bucket}


def test_migrations_hold_no_secret_and_no_client(make_storage):
    """A literal key becomes a reference to an environment variable; client objects are left out."""
    storage = make_storage(MINIO_SECRET_KEY=SECRET, http_client=urllib3.PoolManager())
    _, _, kwargs = storage.deconstruct()
    assert kwargs["MINIO_SECRET_KEY"] == "env:MINIO_SECRET_KEY"
    assert "http_client" not in kwargs
    written, _ = MigrationWriter.serialize(models.FileField(storage=storage))
    assert SECRET not in written and "django_minio_backend.models.MinioBackend" in written


def test_a_migrated_storage_can_be_built_and_is_stable(make_storage):
    """What a migration holds builds a storage that deconstructs to the same again."""
    path, args, kwargs = make_storage(MINIO_SECRET_KEY=SECRET).deconstruct()
    again = MinioBackend(*args, **kwargs)
    assert again.deconstruct() == (path, args, kwargs)


def test_a_reference_to_a_secret_is_kept(make_storage):
    """References such as file:/path are no secrets and stay in the migration."""
    storage = make_storage(MINIO_SECRET_KEY="file:/run/secrets/minio")
    assert storage.deconstruct()[2]["MINIO_SECRET_KEY"] == "file:/run/secrets/minio"


@pytest.fixture
def makemigrations(settings, tmp_path, monkeypatch):
    """A function: what `makemigrations` writes for an app whose file field has this storage, or None for no change."""
    folder = tmp_path / f"migrations_{secrets.token_hex(4)}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    settings.MIGRATION_MODULES = {**settings.MIGRATION_MODULES, "library": folder.name}
    monkeypatch.syspath_prepend(tmp_path)
    field = Document._meta.get_field("file")

    def make(storage):
        monkeypatch.setattr(field, "storage", storage)
        before = set(folder.glob("0*.py"))
        call_command("makemigrations", "library", verbosity=0)
        invalidate_caches()
        written = [path.read_text() for path in set(folder.glob("0*.py")) - before]
        return written[0] if written else None

    return make


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("keys", "written"),
    [
        ({"MINIO_CREDENTIALS": "file:/run/secrets/minio.json"}, "file:/run/secrets/minio.json"),
        ({"MINIO_CREDENTIALS": Secret.at("env:KEYS")}, "env:KEYS"),
        ({"MINIO_CREDENTIALS": Secret(f'{{"accessKey": "me", "secretKey": "{SECRET}"}}')}, "env:MINIO_CREDENTIALS"),
        ({"MINIO_CREDENTIALS": StaticProvider("me", SECRET)}, "env:MINIO_CREDENTIALS"),
        ({"MINIO_ACCESS_KEY": "me", "MINIO_SECRET_KEY": SECRET}, "env:MINIO_SECRET_KEY"),
        ({"MINIO_ACCESS_KEY": "env:ME", "MINIO_SECRET_KEY": "file:/run/secrets/key"}, "file:/run/secrets/key"),
    ],
    ids=["document", "kept document", "literal document", "provider", "literal keys", "kept keys"],
)
def test_makemigrations_writes_where_keys_are_kept(makemigrations, keys, written):
    """However a storage gets its keys, the migration shows none, can be loaded without them, and stays the last one."""

    def storage():
        return MinioBackend("bucket", MINIO_ENDPOINT="s3:9000", MINIO_PRIVATE_BUCKETS=["bucket"], **keys)

    migration = makemigrations(storage())
    assert repr(written) in migration and "django_minio_backend.models.MinioBackend" in migration
    assert SECRET not in migration and repr("me") not in migration
    assert makemigrations(storage()) is None


def test_storages_are_equal_by_their_arguments(make_storage):
    """Two storages built alike are equal and hash alike; another bucket or class makes them differ."""
    assert make_storage() == make_storage() and hash(make_storage()) == hash(make_storage())
    assert make_storage() != make_storage(replace_existing=True)
    assert make_storage() != make_storage(MINIO_SECRET_KEY=SECRET)
    assert make_storage() != make_storage(cls=MinioBackendStatic)
    assert make_storage() != "something else"


def test_copies_work_after_use(storage):
    """A used storage can be copied; the copy is equal and works."""
    assert not storage.exists("x")
    for made in (copy.copy(storage), copy.deepcopy(storage)):
        assert made == storage and made is not storage and not made.exists("x")


def test_a_literal_secret_is_not_pickled(make_storage):
    """Pickling a storage with a literal key is refused; with a reference it works."""
    with pytest.raises(SecretMisuse):
        pickle.dumps(make_storage())
    storage = make_storage(MINIO_ACCESS_KEY="env:S3_ACCESS", MINIO_SECRET_KEY="env:S3_SECRET")
    assert pickle.loads(pickle.dumps(storage)).bucket == storage.bucket


def test_keys_may_be_references_or_secrets(make_storage, s3_service, tmp_path):
    """Keys are accepted as text, as env: and file: references, and as Secret."""
    path = tmp_path / "secret-key"
    path.write_text(s3_service.secret_key + "\n")
    path.chmod(0o600)
    with override(S3_ACCESS=s3_service.access_key):
        storage = make_storage(MINIO_ACCESS_KEY="env:S3_ACCESS", MINIO_SECRET_KEY=f"file:{path}")
        assert not storage.exists("x")
    storage = make_storage(MINIO_SECRET_KEY=Secret(s3_service.secret_key))
    assert not storage.exists("x")


def test_a_provider_of_the_sdk_may_give_the_keys(make_storage, s3_service, s3_bucket, server_options):
    """MINIO_CREDENTIALS takes any credential provider of the minio package."""
    options = {key: value for key, value in server_options.items() if not key.endswith("_KEY")}
    provider = StaticProvider(s3_service.access_key, s3_service.secret_key)
    storage = MinioBackend(s3_bucket, **options, MINIO_PRIVATE_BUCKETS=[s3_bucket], MINIO_CREDENTIALS=provider)
    assert not storage.exists("x")


def test_no_secret_shows(make_storage):
    """Neither the storage nor its parts show the secret key in any printed form."""
    storage = make_storage(MINIO_SECRET_KEY=SECRET, MINIO_ENDPOINT="127.0.0.1:1", MINIO_RETRIES=0)
    with pytest.raises(ConnectionError) as caught:
        storage.exists("x")
    shown = [repr(storage), repr(vars(storage)), repr(storage.options), repr(storage.connection), str(caught.value)]
    assert not any(SECRET in text for text in shown)


def test_a_subclass_may_pass_settings_on(server_options, s3_bucket):
    """Settings that a subclass gives to the constructor count, also where it is built without arguments."""

    class Contracts(MinioBackend):
        def __init__(self):
            super().__init__(s3_bucket, MINIO_PRIVATE_BUCKETS=[s3_bucket], **server_options)

    storage = Contracts()
    assert storage.open(storage.save("x", ContentFile(b"kept"))).read() == b"kept"
    assert server_options["MINIO_SECRET_KEY"] not in repr(vars(storage))
    assert storage.deconstruct()[1:] == ([], {})
