"""Encrypted sessions: formats, keys, bindings, and data from before."""

import base64
import json
import logging
import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pentad_config import KeyRing, Secret
from starsessions import CookieStore, ImproperlyConfigured, InMemoryStore
from starsessions.encryptors import AESGCMEncryptor, Encryptor, FernetEncryptor, NoopEncryptor

pytestmark = pytest.mark.anyio

FERNET, FERNET_OLD = Fernet.generate_key().decode(), Fernet.generate_key().decode()
AES, AES_OLD = os.urandom(32), os.urandom(32)


@pytest.mark.parametrize(
    "make", [lambda: FernetEncryptor(FERNET), lambda: AESGCMEncryptor(AES)], ids=["Fernet", "AES-GCM"]
)
async def test_sessions_are_unreadable_at_rest(make_site, store, make):
    """With an encryptor every store keeps what it cannot read, and the session comes back."""
    site = make_site(store, lifetime=60, encryptor=make())
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        record = await store.read(visitor.cookies["session"], lifetime=60)
        assert record
        assert b"Ada" not in record
        assert b"__metadata__" not in record
        assert "set-cookie" not in (await visitor.get("/show")).headers
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


@pytest.mark.parametrize(
    "key",
    [
        FERNET,
        FERNET.encode(),
        Secret(FERNET),
        KeyRing([FERNET]),
        [FERNET, FERNET_OLD],
        Fernet(FERNET),
        MultiFernet([Fernet(FERNET)]),
    ],
    ids=lambda key: type(key).__name__,
)
def test_fernet_keys(key):
    """A Fernet key may have any form; the token is a Fernet token under the first key."""
    token = FernetEncryptor(key).encrypt(b"data")
    assert Fernet(FERNET).decrypt(token) == b"data"
    assert FernetEncryptor(key).fernet.decrypt(token) == b"data"


@pytest.mark.parametrize(
    "key",
    [
        AES,
        Secret(AES),
        [AES, AES_OLD],
        AES.hex(),
        base64.b64encode(AES).decode(),
        base64.urlsafe_b64encode(AES).decode().rstrip("="),
        KeyRing([AES.hex()]),
    ],
    ids=lambda key: type(key).__name__,
)
def test_aes_keys(key):
    """An AES key is bytes, or text in hexadecimal or base64; the first of several encrypts."""
    encryptor = AESGCMEncryptor(key)
    token = encryptor.encrypt(b"data")
    assert AESGCM(AES).decrypt(token[:12], token[12:], None) == b"data"
    assert encryptor.key == AES
    assert encryptor.aesgcm.decrypt(token[:12], token[12:], None) == b"data"


def test_old_keys_decrypt():
    """What was encrypted with an older key of the list is read."""
    assert FernetEncryptor([FERNET, FERNET_OLD]).decrypt(Fernet(FERNET_OLD).encrypt(b"data")) == b"data"
    old = AESGCMEncryptor(AES_OLD).encrypt_for(b"data", "id")
    assert AESGCMEncryptor([AES, AES_OLD]).decrypt_for(old, "id") == b"data"


@pytest.mark.parametrize("bad", ["short", b"short", "x" * 44, ["short"]], ids=repr)
@pytest.mark.parametrize("kind", [FernetEncryptor, AESGCMEncryptor])
def test_bad_keys(kind, bad):
    """A key of the wrong length is refused at once, and the message does not repeat it."""
    with pytest.raises(ImproperlyConfigured) as error:
        kind(bad)
    assert "short" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "key", "newer"),
    [(FernetEncryptor, FERNET, FERNET_OLD), (AESGCMEncryptor, AES.hex(), AES_OLD.hex())],
    ids=["Fernet", "AES-GCM"],
)
@pytest.mark.parametrize(
    "given", [lambda secret: secret, lambda secret: KeyRing(secret, min_length=1)], ids=["Secret", "KeyRing"]
)
def test_a_bad_key_in_a_file_replaces_no_good_ones(tmp_path, caplog, kind, key, newer, given):
    """Sessions stay readable and writable when a file is changed to something useless, and the log says so once."""
    file = tmp_path / "keys"
    in_place(file, key)
    encryptor = kind(given(Secret.at(f"file:{file}", ttl=0)))
    before = encryptor.encrypt(b"data")
    in_place(file, f"useless\n{key}")
    assert encryptor.decrypt(before) == b"data"
    assert kind(key).decrypt(encryptor.encrypt(b"data")) == b"data"
    with pytest.raises((InvalidTag, InvalidToken)):
        encryptor.decrypt(b"never encrypted")
    assert [record.message.count("key 1 cannot be used") for record in caplog.records] == [1]
    assert "useless" not in caplog.text
    in_place(file, f"{newer}\n{key}")
    assert encryptor.decrypt(before) == b"data"
    assert kind(newer).decrypt(encryptor.encrypt(b"data")) == b"data"


@pytest.mark.parametrize("kind", [FernetEncryptor, AESGCMEncryptor])
def test_a_bad_key_in_a_file_is_refused_at_the_start(tmp_path, kind):
    """There are no good keys yet that could stay in use."""
    in_place(tmp_path / "keys", "useless")
    with pytest.raises(ImproperlyConfigured, match="key 1 cannot be used") as error:
        kind(f"file:{tmp_path / 'keys'}")
    assert "useless" not in str(error.value)


def in_place(file, text):
    """Put a new file in place of the old one, old enough to be taken for complete."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.utime(fresh, (1_000_000_000 + len(text), 1_000_000_000 + len(text)))
    fresh.replace(file)


def test_nonces_differ():
    """The same data encrypts differently each time."""
    encryptor = AESGCMEncryptor(AES)
    assert len({encryptor.encrypt(b"data")[:12] for _ in range(100)}) == 100


def test_records_are_bound_to_their_id():
    """A record copied to another id does not decrypt; the unbound form of other code is read, unless refused."""
    bound = AESGCMEncryptor(AES).encrypt_for(b"data", "one")
    assert AESGCMEncryptor(AES).decrypt_for(bound, "one") == b"data"
    with pytest.raises(InvalidTag):
        AESGCMEncryptor(AES).decrypt_for(bound, "two")
    unbound = AESGCMEncryptor(AES, bind=False).encrypt_for(b"data", "one")
    assert AESGCMEncryptor(AES).decrypt_for(unbound, "one") == b"data"
    with pytest.raises(InvalidTag):
        AESGCMEncryptor(AES, accept_unbound=False).decrypt_for(unbound, "one")


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 12, b"x" * 40])
def test_garbage(data):
    """What was never encrypted raises InvalidTag or InvalidToken."""
    with pytest.raises(InvalidTag):
        AESGCMEncryptor(AES).decrypt(data)
    with pytest.raises(InvalidToken):
        FernetEncryptor(FERNET).decrypt(data)


@pytest.mark.parametrize(("kind", "key"), [(FernetEncryptor, FERNET), (AESGCMEncryptor, AES)])
async def test_plaintext_from_before(make_site, kind, key):
    """Sessions stored before encryption was switched on are read if that is allowed, then stored encrypted."""
    store = InMemoryStore()
    async with make_site(store).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        cookies = visitor.cookies
    async with make_site(store, encryptor=kind(key)).visitor() as visitor:
        visitor.cookies = cookies
        assert (await visitor.get("/show")).json() == {}
    async with make_site(store, encryptor=kind(key, accept_plaintext=True)).visitor() as visitor:
        visitor.cookies = cookies
        assert (await visitor.get("/update?more=1")).json() == {"name": "Ada", "more": "1"}
    async with make_site(store, encryptor=kind(key)).visitor() as visitor:
        visitor.cookies = cookies
        assert (await visitor.get("/show")).json() == {"name": "Ada", "more": "1"}


@pytest.mark.parametrize(("kind", "key"), [(FernetEncryptor, FERNET), (AESGCMEncryptor, AES)])
@pytest.mark.parametrize("keys", [1, 2])
async def test_plaintext_from_before_does_not_wait_for_a_change(make_site, kind, key, keys):
    """A session that is only read is stored encrypted too, once: so that plaintext can be refused again one day."""
    store = InMemoryStore()
    async with make_site(store).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        cookies = visitor.cookies
    other = Fernet.generate_key() if kind is FernetEncryptor else bytes(32)
    encryptor = kind([key, other][:keys], accept_plaintext=True)
    async with make_site(store, encryptor=encryptor).visitor() as visitor:
        visitor.cookies = cookies
        for _ in range(2):
            assert (await visitor.get("/show")).json() == {"name": "Ada"}
            record = await store.read(cookies["session"], lifetime=0)
            assert not encryptor.is_outdated(record, cookies["session"])
    async with make_site(store, encryptor=kind(key)).visitor() as visitor:
        visitor.cookies = cookies
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


async def test_wrong_key_leaves_the_record(make_site, caplog):
    """A record that no key fits gives an empty session and a log event, and is kept for whoever has the key."""
    store = InMemoryStore()
    async with make_site(store, encryptor=FernetEncryptor(FERNET)).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        cookies = visitor.cookies
    old_id = cookies["session"]
    record = await store.read(old_id, lifetime=0)
    with caplog.at_level(logging.WARNING, logger="starsessions"):
        async with make_site(store, encryptor=FernetEncryptor(FERNET_OLD)).visitor() as visitor:
            visitor.cookies = cookies
            assert (await visitor.get("/update?a=1")).json() == {"a": "1"}
            assert visitor.cookies["session"] != old_id
    assert await store.read(old_id, lifetime=0) == record
    assert [entry.event for entry in caplog.records] == ["session.discarded"]
    assert old_id not in caplog.text


@pytest.mark.parametrize("derived", [True, False])
async def test_own_encryptors_may_be_async(make_site, derived):
    """An encryptor of one's own may have async methods and need not extend Encryptor."""

    class Reversing(Encryptor if derived else object):
        async def encrypt(self, data):
            return data[::-1]

        async def decrypt(self, data):
            return data[::-1]

    store = InMemoryStore()
    async with make_site(store, encryptor=Reversing()).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        assert (await visitor.get("/show")).json() == {"name": "Ada"}
        record = await store.read(visitor.cookies["session"], lifetime=0)
    assert json.loads(record[::-1])["name"] == "Ada"


def test_noop():
    """The default leaves data as it is and is silent."""
    assert NoopEncryptor().decrypt(NoopEncryptor().encrypt(b"data")) == b"data"
    with pytest.raises(NotImplementedError, match="encrypt"):
        Encryptor().encrypt(b"")


async def test_cookie_store_and_encryption(make_site):
    """A signed and encrypted cookie is read by code that knows nothing of bindings."""
    store = CookieStore("k" * 32)
    async with make_site(store, encryptor=AESGCMEncryptor(AES)).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        record = await store.read(visitor.cookies["session"], lifetime=0)
    assert json.loads(AESGCM(AES).decrypt(record[:12], record[12:], None))["name"] == "Ada"


@pytest.mark.parametrize("lifetime", [0, 60])
@pytest.mark.parametrize(
    ("make", "old", "new"),
    [(FernetEncryptor, FERNET_OLD, FERNET), (AESGCMEncryptor, AES_OLD, AES)],
    ids=["Fernet", "AES-GCM"],
)
async def test_reading_a_session_is_enough_to_replace_its_key(make_site, store, make, old, new, lifetime):
    """A session that is only read gets the newest key once, so the old one can go without logging anyone out."""
    async with make_site(store, lifetime=lifetime, encryptor=make(old)).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        cookies = visitor.cookies
    async with make_site(store, lifetime=lifetime, encryptor=make([new, old])).visitor() as visitor:
        visitor.cookies.update(cookies)
        assert (await visitor.get("/show")).json() == {"name": "Ada"}
        assert "set-cookie" not in (await visitor.get("/show")).headers
        cookies = visitor.cookies
    async with make_site(store, lifetime=lifetime, encryptor=make(new)).visitor() as visitor:
        visitor.cookies.update(cookies)
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


async def test_an_encryptor_that_knows_no_keys_is_never_asked(make_site, store):
    """What is merely alike an Encryptor needs no more than its two methods."""

    class Reversing:
        def encrypt(self, data):
            return data[::-1]

        def decrypt(self, data):
            return data[::-1]

    async with make_site(store, lifetime=60, encryptor=Reversing()).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        assert (await visitor.get("/show")).json() == {"name": "Ada"}
