import io
import secrets
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from counting_proxy import CountingProxy
from hypothesis import HealthCheck, settings
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.signer import sign_v4_s3

from django_minio_backend import MinioBackend, MinioBackendStatic

# how fast the machine is, is not what is tested
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def server_options(s3_service):
    """The OPTIONS that every storage of these tests needs."""
    return {
        "MINIO_ENDPOINT": s3_service.endpoint,
        "MINIO_ACCESS_KEY": s3_service.access_key,
        "MINIO_SECRET_KEY": s3_service.secret_key,
        "MINIO_USE_HTTPS": s3_service.secure,
        "MINIO_REGION": s3_service.region,
    }


@pytest.fixture
def completes_conditionally(s3_service):
    """For tests of what is done on servers that honour a condition at the end of an upload in parts."""
    if not s3_service.completes_conditionally:
        pytest.skip("this server ignores the condition; names are held by empty objects, which other tests show")


@pytest.fixture(scope="session")
def sdk(s3_service):
    """The SDK's own client: what the server holds, seen without this package."""
    return Minio(
        s3_service.endpoint,
        s3_service.access_key,
        s3_service.secret_key,
        secure=s3_service.secure,
        region=s3_service.region,
    )


@pytest.fixture(scope="session")
def _bucket_supply(s3_service, sdk):
    # SeaweedFS takes 0.2 s for the first object of a bucket, of one as of many at a time.
    supply = []

    def warm(name):
        sdk.put_object(name, "first", io.BytesIO(b"x"), 1)
        sdk.remove_object(name, "first")
        return name

    def take():
        if not supply:
            with ThreadPoolExecutor(16) as pool:
                # All first, then their objects: SeaweedFS lists its collections for a new bucket, and locks itself up
                # for good if one gets its first object at that moment.
                names = list(pool.map(lambda _: s3_service.create_bucket(), range(16)))
                supply.extend(pool.map(warm, names))
        return supply.pop()

    yield take
    for name in supply:
        s3_service.drop_bucket(name)


@pytest.fixture
def s3_bucket(_bucket_supply, s3_service):
    """The name of an empty bucket, deleted after the test."""
    name = _bucket_supply()
    yield name
    s3_service.drop_bucket(name)


@pytest.fixture
def new_bucket(s3_service):
    """A function that names buckets that do not exist; what was created is removed afterwards."""
    names = []

    def name(kind="bucket"):
        names.append(f"{kind}-{secrets.token_hex(6)}")
        return names[-1]

    yield name
    for bucket in names:
        s3_service.drop_bucket(bucket)


@pytest.fixture
def make_storage(server_options, s3_bucket):
    """A function that builds a storage for the test's bucket; keywords are the constructor's."""

    def make(bucket=None, *, cls=MinioBackend, **kwargs):
        options = {**server_options, "MINIO_PRIVATE_BUCKETS": [s3_bucket], **kwargs}
        if issubclass(cls, MinioBackendStatic):
            return cls(**{"MINIO_STATIC_FILES_BUCKET": s3_bucket, **options, "MINIO_PRIVATE_BUCKETS": []})
        return cls(bucket or s3_bucket, **options)

    return make


@pytest.fixture
def storage(make_storage):
    return make_storage()


@pytest.fixture
def proxy(s3_service):
    keys = Credentials(s3_service.access_key, s3_service.secret_key)

    def sign(method, path, headers):
        headers = {name: value for name, value in headers.items() if name != "authorization"}
        date = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        url = urlsplit(f"http://{headers['host']}{path}")
        return sign_v4_s3(
            method=method, url=url, region=s3_service.region, headers=headers, credentials=keys,
            content_sha256=headers["x-amz-content-sha256"], date=date,
        )  # fmt: skip

    with CountingProxy(s3_service.endpoint, sign) as running:
        yield running


@pytest.fixture
def forgetful(proxy, make_storage):
    """A function: a storage on a server that ignores conditions of the given methods, as some do."""

    def make(*methods, **kwargs):
        proxy.fault = lambda request: "forget condition" if request.command in methods else None
        return make_storage(MINIO_ENDPOINT=proxy.endpoint, **kwargs)

    return make


@pytest.fixture
def counted(proxy, make_storage):
    """A storage behind the counting proxy that has already found out what its server can do."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, MINIO_CONDITIONAL_WRITES=True)
    proxy.reset()
    return storage


@pytest.fixture
def configure(settings, server_options, s3_bucket):
    """A function that puts OPTIONS into STORAGES["default"] and, if asked, into STORAGES["staticfiles"]."""

    def apply(static=None, **options):
        options = {"MINIO_PRIVATE_BUCKETS": [s3_bucket], "MINIO_DEFAULT_BUCKET": s3_bucket, **options}
        settings.STORAGES = {
            "default": {
                "BACKEND": "django_minio_backend.models.MinioBackend",
                "OPTIONS": {**server_options, **options},
            },
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        }
        if static is not None:
            settings.STORAGES = {
                **settings.STORAGES,
                "staticfiles": {
                    "BACKEND": "django_minio_backend.models.MinioBackendStatic",
                    "OPTIONS": {**server_options, **static},
                },
            }

    return apply


@pytest.fixture
def anonymous():
    """A function that loads an address without credentials: status and body."""

    def load(url):
        try:
            with urllib.request.urlopen(url, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    return load
