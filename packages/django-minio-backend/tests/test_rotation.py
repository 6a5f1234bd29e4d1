"""Keys are exchanged under load: no request fails while the server takes the old and the new ones."""

import io
import json
import os
import threading
import time
import traceback

import pytest
from django.core.files.base import ContentFile
from minio.credentials.credentials import Credentials
from minio.credentials.providers import Provider, StaticProvider
from minio.error import S3Error

from django_minio_backend import MinioBackend
from django_minio_backend.apps import DjangoMinioBackendConfig
from django_minio_backend.credentials_document import DocumentProvider
from django_minio_backend.errors import ServerUnreachable
from django_minio_backend.utils import ConfigurationError
from pentad_config import ConfigError, Secret
from pentad_config.exposure import exposures

ROTATIONS = int(os.environ.get("PENTAD_ROTATIONS", "1"))
REFUSED = ("refused-access-key", "refused-secret-key-0123456789")


class Changing(Provider):
    """Gives the pair that the test has set, from the next request on."""

    def __init__(self, pair):
        self.pair = pair

    def retrieve(self):
        return Credentials(*self.pair)


@pytest.fixture
def pairs(s3_service):
    """The old and the new pair, both of which the server takes."""
    if not (s3_service.second_keys and s3_service.checks_signatures):
        pytest.skip(f"{s3_service.line} takes one pair of keys only, or any, so there is nothing to exchange")
    return s3_service.keys.revealed(), s3_service.second_keys.revealed()


@pytest.fixture
def changing(pairs, proxy, s3_bucket):
    """A storage behind the proxy, whose keys are known to be good; and the provider of its keys."""
    provider = Changing(pairs[0])
    storage = MinioBackend(
        s3_bucket, MINIO_ENDPOINT=proxy.endpoint, MINIO_CREDENTIALS=provider,
        MINIO_PRIVATE_BUCKETS=[s3_bucket], MINIO_CONDITIONAL_WRITES=True,
    )  # fmt: skip
    storage.save("there", ContentFile(b"content"))
    proxy.reset()
    return storage, provider


@pytest.fixture
def torn(pairs):
    """What is read between the two writes: the new access key beside the old secret key."""
    return pairs[1][0], pairs[0][1]


OPERATIONS = {
    "save": lambda storage: storage.save("new", ContentFile(b"x")),
    "save in parts": lambda storage: storage.save("new", ContentFile(bytes(11 * 1024 * 1024))),
    "open": lambda storage: storage.open("there").read(),
    "exists": lambda storage: storage.exists("there"),
    "size": lambda storage: storage.size("there"),
    "stat": lambda storage: storage.stat("there"),
    "delete": lambda storage: storage.delete("there"),
    "listdir": lambda storage: storage.listdir(""),
    "look at the bucket": lambda storage: storage.check_bucket_existence(),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_half_a_new_pair_fails_nothing(changing, torn, operation, pairs, proxy):
    """Whatever comes first when the pair is torn is done with the old one; only that request is sent twice."""
    storage, provider = changing
    storage = MinioBackend(**{**storage._kwargs, "bucket_name": storage.bucket, "MINIO_MULTIPART_UPLOAD": True})
    provider.pair = torn
    operation(storage)
    first = len(proxy.requests)
    storage.exists("there")
    assert len(proxy.requests) == first + 1
    assert f"Credential={pairs[0][0]}" in storage.url("there")


@pytest.mark.parametrize("operation", [OPERATIONS["save"], OPERATIONS["listdir"]], ids=["ours", "the SDK's"])
def test_the_whole_new_pair_is_used_at_once(changing, torn, operation, pairs, proxy):
    """After the second write nothing is signed with the old pair any more, and no request is sent twice."""
    storage, provider = changing
    provider.pair = torn
    storage.exists("there")
    provider.pair = pairs[1]
    assert f"Credential={pairs[1][0]}" in storage.url("there")
    operation(storage)
    proxy.reset()
    storage.exists("there")
    assert proxy.methods == ["HEAD"]
    assert f"Credential={pairs[1][0]}" in storage.url("there")


def test_a_new_pair_that_the_server_does_not_know_yet(changing, pairs, proxy):
    """The old one is used on until it is refused itself; then the new one gets its chance."""
    storage, provider = changing
    provider.pair = REFUSED
    for _ in range(3):
        assert storage.exists("there")
    assert proxy.methods == ["HEAD"] * 4
    provider.pair = pairs[1]
    assert storage.exists("there")
    assert proxy.methods == ["HEAD"] * 5


def test_a_listing_of_many_requests_begins_and_ends_with_one_pair(changing, torn, pairs, sdk, s3_bucket):
    """Keys that change between two of its requests are for the next question: half a pair would fail it twice."""
    storage, provider = changing
    for number in range(3):
        sdk.put_object(s3_bucket, f"many/{number}", io.BytesIO(b""), 0)

    def look(client):
        first = list(client.list_objects(s3_bucket, prefix="there"))
        provider.pair = torn
        return [entry.object_name for entry in (*first, *client.list_objects(s3_bucket, prefix="many/"))]

    assert storage.connection.ask(look) == ["there", "many/0", "many/1", "many/2"]
    provider.pair = pairs[1]
    assert f"Credential={pairs[1][0]}" in storage.url("there")


@pytest.mark.parametrize("operation", [OPERATIONS["exists"], OPERATIONS["stat"]], ids=["ours", "the SDK's"])
def test_what_is_forbidden_with_all_keys_does_not_speak_against_the_new_ones(changing, operation, pairs, proxy):
    """Links are signed with the new pair even if the first thing it asked for is not allowed to anybody."""
    storage, provider = changing
    provider.pair = pairs[1]
    proxy.fault = lambda request: "refuse 403"
    with pytest.raises(S3Error):
        operation(storage)
    assert f"Credential={pairs[1][0]}" in storage.url("there")


def test_a_token_that_has_expired_is_noticed_without_words(changing, pairs, proxy):
    """Servers say so with 400; to HEAD, whose answers have no body, with nothing else."""
    storage, provider = changing
    provider.pair = REFUSED
    expired = f"Credential={REFUSED[0]}/"
    proxy.fault = lambda request: "refuse 400" if expired in request.headers["Authorization"] else None
    assert storage.exists("there")
    assert proxy.methods == ["HEAD", "HEAD"]


@pytest.mark.parametrize("operation", [OPERATIONS["open"], OPERATIONS["listdir"]], ids=["ours", "the SDK's"])
def test_no_traceback_shows_the_keys_of_a_provider(operation):
    """With local variables, too, when the server cannot be reached: the SDK's own credentials would show themselves."""
    storage = MinioBackend(
        "bucket", MINIO_ENDPOINT="127.0.0.1:1", MINIO_CREDENTIALS=StaticProvider("reader", "hidden-key"),
        MINIO_PRIVATE_BUCKETS=["bucket"], MINIO_RETRIES=0,
    )  # fmt: skip
    with pytest.raises(ServerUnreachable) as caught:
        operation(storage)
    told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "hidden-key" not in told


def test_a_pair_that_is_wrong_from_the_start_is_an_error(pairs, proxy, s3_bucket, torn):
    """Nothing else is there to try, so the server's refusal is raised after one request."""
    storage = MinioBackend(
        s3_bucket, MINIO_ENDPOINT=proxy.endpoint, MINIO_CREDENTIALS=Changing(torn), MINIO_PRIVATE_BUCKETS=[s3_bucket]
    )
    with pytest.raises(S3Error, match="SignatureDoesNotMatch|AccessDenied"):
        storage.open("there")
    assert proxy.methods == ["GET"]


def test_what_a_policy_forbids_is_asked_once(changing, proxy):
    """A refusal that has nothing to do with the keys costs no second request."""
    storage, _ = changing
    proxy.fault = lambda request: "refuse 403"
    for ask in (storage.exists, storage.open, storage.stat):
        with pytest.raises(S3Error):
            ask("there")
    assert len(proxy.requests) == 3


@pytest.fixture
def write_secret(tmp_path):
    """A function that puts a text into a file, as an operator or an agent does, and returns a reference to it."""

    def write(name, text):
        fresh, path = tmp_path / f".{name}", tmp_path / name
        fresh.write_text(text)
        fresh.chmod(0o600)
        fresh.replace(path)
        return f"file:{path}"

    return write


def document(pair):
    return json.dumps({"url": "http://s3.example", "accessKey": pair[0], "secretKey": pair[1], "api": "s3v4"})


@pytest.mark.parametrize("kind", ["two files", "one document"])
def test_a_pair_that_was_withdrawn_meanwhile(kind, pairs, write_secret, server_options, s3_bucket):
    """Files are looked at once a second; keys that the server refuses before that are read again at once."""

    def write(pair):
        if kind == "one document":
            return {"MINIO_CREDENTIALS": write_secret("document", document(pair))}
        access, secret = (write_secret(name, key) for name, key in zip(("access", "secret"), pair, strict=True))
        return {"MINIO_ACCESS_KEY": access, "MINIO_SECRET_KEY": secret}

    options = {name: value for name, value in server_options.items() if not name.endswith("_KEY")}
    storage = MinioBackend(s3_bucket, **options, **write(REFUSED), MINIO_PRIVATE_BUCKETS=[s3_bucket])
    assert f"Credential={REFUSED[0]}" in storage.url("there")
    write(pairs[1])
    assert storage.save("there", ContentFile(b"x")) == "there"
    assert f"Credential={pairs[1][0]}" in storage.url("there")


def test_a_document_gives_both_keys(s3_service, write_secret, server_options, s3_bucket):
    """Storages of one document share a connection and show nothing of it; AWS's spelling is understood, too."""
    options = {name: value for name, value in server_options.items() if not name.endswith("_KEY")}
    text = {"Version": 1, "AccessKeyId": s3_service.access_key, "SecretAccessKey": s3_service.secret_key}
    reference = write_secret("document", json.dumps(text))
    storages = [
        MinioBackend(s3_bucket, **options, MINIO_CREDENTIALS=reference, MINIO_PRIVATE_BUCKETS=[s3_bucket])
        for _ in range(2)
    ]
    storages[0].save("there", ContentFile(b"content"))
    assert storages[1].open("there").read() == b"content"
    assert storages[0].connection is storages[1].connection
    assert exposures(storages[0], s3_service.secret_key, "django_minio_backend") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hidden-hidden", "is not a JSON object"),
        ('["hidden"]', "is not a JSON object"),
        ('{"accessKey": "hidden"}', "has no text as secretKey"),
        ('{"accessKey": "hidden", "secretKey": 5, "sessionToken": {"x": 1}}', "has no text as secretKey, sessionToken"),
        (None, "does not exist"),
    ],
)
def test_a_wrong_document_is_named_when_django_starts(text, message, write_secret, settings, tmp_path):
    """The error says which setting, and what to write, and nothing of what is in the file."""
    reference = f"file:{tmp_path / 'document'}" if text is None else write_secret("document", text)
    options = {"MINIO_ENDPOINT": "127.0.0.1:1", "MINIO_CREDENTIALS": reference, "MINIO_PRIVATE_BUCKETS": ["bucket"]}
    settings.STORAGES = {"default": {"BACKEND": "django_minio_backend.models.MinioBackend", "OPTIONS": options}}
    with pytest.raises(ConfigurationError, match=message) as caught:
        DjangoMinioBackendConfig.create("django_minio_backend").ready()
    assert '["OPTIONS"]["MINIO_CREDENTIALS"]' in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("text", ["hidden-hidden", '["hidden"]', '{"accessKey": "hidden", "secretKey": 5}'])
def test_no_traceback_shows_a_wrong_document(text, write_secret):
    """Nor do the local variables of the code that reads it."""
    provider = DocumentProvider(Secret.at(write_secret("document", text)))
    with pytest.raises(ConfigError) as caught:
        provider.retrieve()
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    own = [frame.f_locals for frame in frames if "django_minio_backend" in frame.f_code.co_filename]
    assert own and "hidden" not in repr(own)


def test_text_that_is_no_reference_is_refused(make_storage):
    """A document itself does not belong into the settings; the refusal does not repeat it."""
    with pytest.raises(ConfigurationError, match="MINIO_CREDENTIALS: .*file:/path") as caught:
        make_storage(MINIO_CREDENTIALS='{"accessKey": "hidden", "secretKey": "hidden"}')
    assert "hidden" not in str(caught.value)


class Load:
    """Two threads that save, read, list and delete until the block ends, and what went wrong."""

    def __init__(self, storage):
        self._storage, self._stop = storage, threading.Event()
        self.rounds, self.failures = [], []
        self._threads = [threading.Thread(target=self._run, args=(f"{number}.bin",)) for number in range(2)]

    def _run(self, name):
        while not self._stop.wait(0.02):
            try:
                self._round(name)
            except Exception as error:  # noqa: BLE001  whatever it is, it counts
                self.failures.append(error)
            self.rounds.append(name)

    def _round(self, name):
        content = os.urandom(1000)
        saved = self._storage.save(name, ContentFile(content))
        assert self._storage.open(saved).read() == content
        assert saved in self._storage.listdir("")[1]
        self._storage.delete(saved)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        for thread in self._threads:
            thread.join()


class Signers:
    """Who signed the requests that a proxy sees: the access keys, in order."""

    def __init__(self, proxy):
        self._seen = []
        proxy.before = lambda request: self._seen.append(request.headers["Authorization"])

    def wait_for(self, access_key, requests=1, seconds=120):
        """Wait until so many more requests are signed with this key."""
        start, deadline = len(self._seen), time.monotonic() + seconds
        while sum(f"Credential={access_key}/" in signed for signed in self._seen[start:]) < requests:
            assert time.monotonic() < deadline, f"no request is signed with {access_key}"
            time.sleep(0.01)


def test_no_request_fails_while_two_files_are_exchanged(pairs, write_secret, server_options, s3_bucket, proxy):
    """The secret key is written only when half the new pair was used and refused; PENTAD_ROTATIONS says how often."""
    files = [write_secret(name, key) for name, key in zip(("access", "secret"), pairs[0], strict=True)]
    options = {"MINIO_ENDPOINT": proxy.endpoint, "MINIO_ACCESS_KEY": files[0], "MINIO_SECRET_KEY": files[1]}
    storage = MinioBackend(s3_bucket, **server_options | options, MINIO_PRIVATE_BUCKETS=[s3_bucket])
    signers = Signers(proxy)
    with Load(storage) as load:
        signers.wait_for(pairs[0][0])
        for number in range(1, ROTATIONS + 1):
            old, new = pairs[1 - number % 2], pairs[number % 2]
            write_secret("access", new[0])
            signers.wait_for(new[0])
            signers.wait_for(old[0], 10)
            write_secret("secret", new[1])
            signers.wait_for(new[0], 10)
    assert load.failures == []
    assert load.rounds
