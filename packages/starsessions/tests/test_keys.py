"""Keys of the cookie's signature: every form they come in, and changing them without logging anyone out."""

import itertools
import os
import traceback

import pytest
from starlette.datastructures import Secret as StarletteSecret

from pentad_config import KeyRing, Secret, SecretMisuse
from starsessions import CookieStore, ImproperlyConfigured
from starsessions.encryptors import AESGCMEncryptor, FernetEncryptor

pytestmark = pytest.mark.anyio

NEW, OLD = "new-key-" + "n" * 32, "old-key-" + "o" * 32


async def sign(*keys):
    return await CookieStore(list(keys)).write("", b"data", lifetime=0, ttl=0)


async def reads(store, cookie):
    return await store.read(cookie, lifetime=0) == b"data"


@pytest.mark.parametrize(
    "form",
    [
        OLD,
        OLD.encode(),
        Secret(OLD),
        StarletteSecret(OLD),
        KeyRing([OLD]),
        [OLD],
        (OLD.encode(),),
        [Secret(OLD)],
        lambda: OLD,
        Secret(lambda: OLD),
    ],
    ids=lambda form: type(form).__name__,
)
async def test_every_form_of_a_key(form):
    """The same key signs alike as text, bytes, callable, any Secret, a list of one, or a ring."""
    store = CookieStore(form)
    assert await reads(store, await sign(OLD))
    assert await reads(CookieStore(OLD), await store.write("", b"data", lifetime=0, ttl=0))
    assert OLD not in repr(vars(store)) + repr(vars(store._keys))


@pytest.mark.parametrize("ring", [list, KeyRing], ids=["list", "ring"])
async def test_first_signs_all_verify(ring):
    """Of several keys the first signs, and cookies signed with any of them are read."""
    store = CookieStore(ring([NEW, OLD]))
    assert await reads(store, await sign(OLD))
    cookie = await store.write("", b"data", lifetime=0, ttl=0)
    assert await reads(CookieStore(NEW), cookie)
    assert not await reads(CookieStore(OLD), cookie)


async def test_rotation_in_three_steps():
    """Adding the new key behind, then in front of the old one, then dropping that one loses no session between."""
    steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]
    for before, after in itertools.pairwise(steps):
        assert await reads(CookieStore(after), await sign(*before))
    assert not await reads(CookieStore([NEW]), await sign(OLD))


@pytest.mark.parametrize("reference", [str, Secret.at], ids=["text", "Secret"])
async def test_keys_in_a_file_change_while_running(tmp_path, reference):
    """A key added to the file is used without a restart, even for the very first cookie signed with it elsewhere."""
    file = tmp_path / "keys"
    write(file, OLD)
    store = CookieStore(reference(f"file:{file}"))
    cookie = await store.write("", b"data", lifetime=0, ttl=0)
    write(file, f"{NEW}\n{OLD}")
    assert await reads(store, await sign(NEW))
    assert await reads(store, cookie)
    write(file, NEW)
    assert await reads(store, await sign(NEW))


def write(file, text):
    """Put a new file in place of the old one, old enough to be taken for complete."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.utime(fresh, (1_000_000_000 + len(text), 1_000_000_000 + len(text)))
    fresh.replace(file)


async def test_environment(monkeypatch):
    """`env:NAME` takes the key from the environment."""
    monkeypatch.setenv("SESSION_KEY", OLD)
    assert await reads(CookieStore("env:SESSION_KEY"), await sign(OLD))


@pytest.mark.filterwarnings("ignore:CookieStore. a secret_key has fewer:UserWarning")
async def test_blanks_belong_to_the_key():
    """A text with blanks is one key."""
    cookie = await CookieStore("TOP SECRET").write("", b"data", lifetime=0, ttl=0)
    assert not await reads(CookieStore("TOP"), cookie)
    assert await reads(CookieStore(StarletteSecret("TOP SECRET")), cookie)
    assert await reads(CookieStore(Secret("TOP SECRET")), cookie)


NO_KEYS = {
    "text": "",
    "bytes": b"",
    "no item": [],
    "an empty item": [""],
    "one of several": [NEW, ""],
    "Secret": Secret(""),
    "bytes in a Secret": Secret(b""),
    "Secrets": [Secret(NEW), Secret("")],
    "callable": lambda: "",
    "a callable's Secret": Secret(lambda: ""),
    "blanks": " \n",
    "starlette": StarletteSecret(""),
}


@pytest.mark.parametrize("empty", NO_KEYS.values(), ids=NO_KEYS)
@pytest.mark.parametrize("kind", [CookieStore, FernetEncryptor, AESGCMEncryptor])
def test_no_key(kind, empty):
    """An empty key, or none, is refused in every form: what it protects, anybody could make."""
    with pytest.raises(ImproperlyConfigured, match=r"key: (no key was given|key \d (is empty|cannot be used))"):
        kind(empty)


async def test_a_key_that_becomes_empty_does_not_sign():
    """A vault that answers with nothing stops the signing instead of weakening it."""
    keys = [NEW]
    store = CookieStore(lambda: keys[0])
    keys[0] = ""
    with pytest.raises(ImproperlyConfigured, match="secret_key: key 1 is empty"):
        await store.write("", b"data", lifetime=0, ttl=0)


@pytest.mark.parametrize("misused", [str(Secret("x")), "**********", 42], ids=repr)
def test_markers_are_no_keys(misused):
    """What a Secret prints as, and what is no key at all, is refused instead of signing with it."""
    with pytest.raises(SecretMisuse, match="secret_key"):
        CookieStore(misused)


def test_what_was_refused_half_built_can_be_shown():
    """Reports of errors print the objects they find in the frames."""
    with pytest.raises(SecretMisuse) as caught:
        CookieStore("*" * 10)
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "<Keys 0>" in [frame.locals.get("self") for frame in told.stack if frame.locals]


@pytest.mark.parametrize("lifetime", [0, 60])
async def test_a_cookie_that_is_only_read_is_signed_anew_once(make_site, lifetime):
    """The first request under a new key sends the cookie under it; the next ones, and those of one key, send none."""
    async with make_site(CookieStore(OLD), lifetime=lifetime).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        assert "set-cookie" not in (await visitor.get("/show")).headers
        cookies = visitor.cookies
    async with make_site(CookieStore([NEW, OLD]), lifetime=lifetime).visitor() as visitor:
        visitor.cookies.update(cookies)
        assert "set-cookie" in (await visitor.get("/show")).headers
        assert "set-cookie" not in (await visitor.get("/show")).headers
        cookies = visitor.cookies
    async with make_site(CookieStore(NEW), lifetime=lifetime).visitor() as visitor:
        visitor.cookies.update(cookies)
        assert (await visitor.get("/show")).json() == {"name": "Ada"}
