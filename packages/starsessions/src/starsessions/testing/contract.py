"""The contract that every session store keeps, as tests for stores of other people's as well as for ours."""
# ruff: noqa: S101  these are tests

from __future__ import annotations

import asyncio
import typing

import pytest

from starsessions.ids import generate_session_id
from starsessions.stores.base import digest_of
from starsessions.testing.cookies import session_cookies
from starsessions.testing.steps import LIFETIME, SHORT_TTL, needs, pass_time, written
from starsessions.testing.user_contract import UserIndexContract

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from starsessions.stores import SessionStore
    from starsessions.testing.plugin import SessionTime
    from starsessions.testing.steps import Advance

__all__ = ["SessionStoreContract"]

# Everything a store may be given: text, arbitrary bytes, what formats and databases treat specially.
RECORDS = [b"{}", b'{"name": "Ada"}', bytes(range(256)), b"\0", b"%s ' \" \\ ; --\r\n", "ä€😀".encode(), b"x" * 2000]
# None of these may reach a store: they would break out of a header, a key or a file name, or fill logs.
FORGED_IDS = ["a\r\nSet-Cookie: evil=1", "a\0b", "a b", "a;b", "é", "a" * 8192, "*\n"]
# These may, and the store has nothing under them.
ODD_IDS = ["..", "../../etc/passwd", "0", "None", "-1", "=", "a/b", "~", "A" * 128]


class SessionStoreContract(UserIndexContract):
    """Tests of a session store.

    Extend the class with a fixture `store`, and pytest runs the contract::

        class TestMyStore(SessionStoreContract):
            @pytest.fixture
            def store(self) -> MyStore:
                return MyStore(...)

    `store` may be an async fixture. What the store's `traits` promise is tested as well, and its `users` index; the
    rest is skipped.
    Override the fixture `advance` for a store whose time is not that of this process. The tests run under
    anyio's pytest plugin, which comes with Starlette.
    """

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Sessions run on asyncio."""
        return "asyncio"

    @pytest.fixture
    def store(self) -> SessionStore:
        """Return an empty store."""
        raise NotImplementedError("Define a fixture `store` in your class; it returns an empty session store.")

    @pytest.fixture
    def advance(self, session_time: SessionTime) -> Advance:
        """Return a function, or a coroutine function, that lets so many seconds pass for the store."""
        return session_time.advance

    # Records

    async def test_nothing_is_stored_under_a_new_id(self, store: SessionStore) -> None:
        """Reading an id that was never stored gives empty bytes."""
        found = await store.read(generate_session_id(), LIFETIME)
        assert found == b"", f"read() of an unknown id must return b'', not {found!r}"

    @pytest.mark.parametrize("data", RECORDS, ids=range(len(RECORDS)))
    async def test_records_come_back_unchanged(self, store: SessionStore, data: bytes) -> None:
        """Every sequence of bytes is read as it was written."""
        session_id = await written(store, data)
        found = await store.read(session_id, LIFETIME)
        assert found == data, f"write() was given {data[:40]!r}, read() returned {found[:40]!r}"

    async def test_write_returns_the_id(self, store: SessionStore) -> None:
        """The id that `write` returns is text, and the given one if `traits.keeps_ids`."""
        given = generate_session_id()
        returned = await store.write(given, b"{}", LIFETIME, LIFETIME)
        assert isinstance(returned, str), f"write() must return the id as text, not {returned!r}"
        if store.traits.keeps_ids:
            assert returned == given, f"traits.keeps_ids promises the id {given!r}, write() returned {returned!r}"

    async def test_writing_again_replaces(self, store: SessionStore) -> None:
        """The record that was written last is the one that is read."""
        first = await written(store, b"first")
        second = await store.write(first, b"second", LIFETIME, LIFETIME)
        found = await store.read(second, LIFETIME)
        assert found == b"second", f"after a second write(), read() must return its data, not {found!r}"

    async def test_records_are_kept_apart(self, store: SessionStore) -> None:
        """Ids that differ only in case or by a character more are different sessions."""
        session_id = await written(store, b"mine", "abcdef0123456789abcdef0123456789")
        for other in (session_id.swapcase(), session_id[:-1], session_id + "0"):
            found = await store.read(other, LIFETIME)
            assert found == b"", f"read({other!r}) must find nothing, but found the record of {session_id!r}"

    async def test_removed_records_are_gone(self, store: SessionStore) -> None:
        """A removed record is not read again, and others stay."""
        needs(store.traits.cookie_limit is None, "a record in a cookie is forgotten by the browser")
        mine, other = await written(store, b"mine"), await written(store, b"other")
        await store.remove(mine)
        found = await store.read(mine, LIFETIME)
        assert found == b"", f"after remove(), read() must return b'', not {found!r}"
        assert await store.read(other, LIFETIME) == b"other", "remove() took another session's record along"

    async def test_removing_what_is_not_there(self, store: SessionStore) -> None:
        """Removing an id without a record is no error: two logouts may cross."""
        session_id = await written(store, b"mine")
        try:
            for unknown in (session_id, session_id, generate_session_id()):
                await store.remove(unknown)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not be
            pytest.fail(f"remove() of a missing record must do nothing, but it raised {error!r}")

    async def test_replacing_moves_a_session(self, store: SessionStore) -> None:
        """`replace` stores under the new id, and the old ids lead nowhere."""
        old = await written(store, b"old")
        new = await store.replace([old], generate_session_id(), b"new", LIFETIME, LIFETIME)
        assert await store.read(new, LIFETIME) == b"new", "replace() must store the data under the id it returns"
        if store.traits.cookie_limit is None:
            assert await store.read(old, LIFETIME) == b"", "replace() must delete the record under the old id"

    # Ids

    @pytest.mark.parametrize("forged", FORGED_IDS, ids=range(len(FORGED_IDS)))
    async def test_forged_ids_are_refused(self, store: SessionStore, forged: str) -> None:
        """Ids that could break out of a header, a key or a file name are not accepted."""
        assert not store.accepts_id(forged), f"accepts_id({forged[:40]!r}) must be False"

    @pytest.mark.parametrize("odd", ODD_IDS)
    async def test_odd_ids_find_nothing(self, store: SessionStore, odd: str) -> None:
        """An id that is accepted but was never stored leads to no record and no error."""
        await written(store, b"mine")
        found = await store.read(odd, LIFETIME)
        assert found == b"", f"read({odd!r}) must return b'', not {found!r}"

    # Time

    async def test_records_last_for_their_ttl(self, store: SessionStore, advance: Advance) -> None:
        """A record is there until its time to live is over, and one without a fixed end for at least an hour."""
        timed = await written(store, b"timed")
        endless = await store.write(generate_session_id(), b"endless", 0, 0)
        await pass_time(advance, LIFETIME - 60)
        assert await store.read(timed, LIFETIME) == b"timed", "a record was lost before its ttl was over"
        assert await store.read(endless, 0) == b"endless", "a record with lifetime 0 was lost within an hour"

    async def test_records_end_after_their_ttl(self, store: SessionStore, advance: Advance) -> None:
        """If `traits.expires`, a record is not read after its time to live."""
        needs(store.traits.expires, "traits.expires")
        needs(store.traits.cookie_limit is None, "a signature has an age and no time to live")
        session_id = await store.write(generate_session_id(), b"mine", LIFETIME, SHORT_TTL)
        await pass_time(advance, SHORT_TTL + 1)
        found = await store.read(session_id, LIFETIME)
        assert found == b"", f"traits.expires promises b'' after a ttl of {SHORT_TTL} s, read() returned {found!r}"

    async def test_writing_begins_the_ttl_anew(self, store: SessionStore, advance: Advance) -> None:
        """A record that is written again lives for its new time to live."""
        session_id = await store.write(generate_session_id(), b"mine", LIFETIME, SHORT_TTL)
        await pass_time(advance, 0.9 * SHORT_TTL)
        session_id = await store.write(session_id, b"again", LIFETIME, SHORT_TTL)
        await pass_time(advance, 0.9 * SHORT_TTL)
        assert await store.read(session_id, LIFETIME) == b"again", "write() must begin the ttl anew"

    async def test_renewing_begins_the_ttl_anew(self, store: SessionStore, advance: Advance) -> None:
        """If `traits.renews`, `renew` returns the record and lets it live for another lifetime."""
        needs(store.traits.renews, "traits.renews")
        session_id = await store.write(generate_session_id(), b"mine", SHORT_TTL, SHORT_TTL)
        for _ in range(3):
            await pass_time(advance, 0.9 * SHORT_TTL)
            found = await store.renew(session_id, SHORT_TTL)
            assert found == b"mine", f"renew() must return the record and prolong it, it returned {found!r}"

    async def test_renewing_makes_no_record(self, store: SessionStore) -> None:
        """Renewing an id without a record gives empty bytes and stores nothing."""
        session_id = generate_session_id()
        assert await store.renew(session_id, LIFETIME) == b"", "renew() of an unknown id must return b''"
        assert await store.read(session_id, LIFETIME) == b"", "renew() of an unknown id must store nothing"

    # Several requests at once

    async def test_many_sessions_at_once(self, store: SessionStore) -> None:
        """Sessions that are written at the same time do not mix."""
        records = [b"%d" % number for number in range(50)]
        ids = await asyncio.gather(*(written(store, data) for data in records))
        found = await asyncio.gather(*(store.read(session_id, LIFETIME) for session_id in ids))
        assert found == records, "sessions written at the same time must each keep their own record"

    async def test_swapping_what_was_read(self, store: SessionStore) -> None:
        """If `traits.compares`, `swap` stores over the record that was read, moves it, or deletes it."""
        swap = self._swap(store)
        session_id, moved = await written(store, b"one"), generate_session_id()
        assert await swap(session_id, b"two", session_id, b"one") is None, "swap() must succeed on the read record"
        assert await store.read(session_id, LIFETIME) == b"two", "swap() must store the data"
        assert await swap(moved, b"three", session_id, b"two") is None, "swap() must be able to change the id"
        assert await store.read(session_id, LIFETIME) == b"", "swap() must delete the record under the old id"
        assert await swap(moved, None, moved, b"three") is None, "swap() must be able to delete"
        assert await store.read(moved, LIFETIME) == b"", "swap() without data must delete the record"

    async def test_swapping_what_has_changed(self, store: SessionStore) -> None:
        """`swap` changes nothing and returns the present record, if it is not the one that was read."""
        swap = self._swap(store)
        session_id = await written(store, b"theirs")
        for data in (b"mine", None):
            found = await swap(session_id, data, session_id, b"read before")
            assert found == b"theirs", f"swap() must return the record that is there now, not {found!r}"
        found = await swap(generate_session_id(), b"mine", session_id, b"")
        assert found == b"theirs", "swap() with an empty digest must refuse where a record is"
        assert await store.read(session_id, LIFETIME) == b"theirs", "a refused swap() must change nothing"

    async def test_swapping_revives_nothing(self, store: SessionStore) -> None:
        """`swap` does not bring back a session that was removed since it was read."""
        swap = self._swap(store)
        session_id, renamed = await written(store, b"mine"), generate_session_id()
        await store.remove(session_id)
        for target in (session_id, renamed):
            found = await swap(target, b"changed", session_id, b"mine")
            assert found == b"", f"swap() of a removed record must return b'', not {found!r}"
            assert await store.read(target, LIFETIME) == b"", "swap() brought a removed session back"

    async def test_removing_what_was_renamed(self, store: SessionStore) -> None:
        """If `traits.follows`, removing an id ends the session under the id that it was given meanwhile."""
        needs(store.traits.follows, "traits.follows")
        swap = self._swap(store)
        first, second, third = await written(store, b"1"), generate_session_id(), generate_session_id()
        await swap(second, b"2", first, b"1")
        await swap(third, b"3", second, b"2")
        await store.remove(first)
        assert await store.read(third, LIFETIME) == b"", "traits.follows promises that remove() reaches a new id"

    async def test_one_of_many_swaps_wins(self, store: SessionStore) -> None:
        """Of several changes to the same record at the same time, exactly one is made."""
        swap = self._swap(store)
        session_id = await written(store, b"before")
        changes = [b"change %d" % number for number in range(20)]
        answers = await asyncio.gather(*(swap(session_id, data, session_id, b"before") for data in changes))
        winners = [data for data, answer in zip(changes, answers, strict=True) if answer is None]
        assert len(winners) == 1, f"of {len(changes)} swaps at once exactly one must succeed, {len(winners)} did"
        assert await store.read(session_id, LIFETIME) == winners[0], "the swap that succeeded must be what is stored"

    # With the middleware

    async def test_sessions_survive_a_request(self, store: SessionStore) -> None:
        """A session that the middleware stores can be read under the id in its cookie."""
        cookies = await session_cookies(store, {"name": "Ada"}, lifetime=LIFETIME)
        assert list(cookies) == ["session"], "the middleware could not make a cookie for a new session"
        record = await store.read(cookies["session"], LIFETIME)
        assert b'"Ada"' in record, f"read() must return the document of the new session, not {record!r}"

    def _swap(self, store: SessionStore) -> Callable[..., typing.Awaitable[bytes | None]]:
        needs(store.traits.compares, "traits.compares")

        async def swap(session_id: str, data: bytes | None, old_id: str, read: bytes) -> bytes | None:
            digest = digest_of(read) if read else ""
            return await store.swap(session_id, data, LIFETIME, LIFETIME, old_id=old_id, digest=digest)

        return swap
