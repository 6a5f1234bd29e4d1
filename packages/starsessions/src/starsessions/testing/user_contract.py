"""The part of the stores' contract that is about lists of users' sessions."""
# ruff: noqa: S101  these are tests

from __future__ import annotations

import asyncio
import time
import typing

import pytest

from starsessions.ids import generate_session_id, hash_id
from starsessions.stores.user_index import UserSession
from starsessions.testing.steps import LIFETIME, SHORT_TTL, needs, pass_time, written
from starsessions.users import list_sessions, revoke_all_sessions, revoke_session

if typing.TYPE_CHECKING:
    from starsessions.stores import SessionStore, UserIndex
    from starsessions.testing.steps import Advance

__all__ = ["UserIndexContract"]

# Whatever names a user in a database, a directory or a claim.
USERS = [
    "7",
    "ada@example.com",
    "CN=Ada Lovelace,O=Example",
    "a b\r\nc",
    "*",
    "%",
    "'; --",
    "ünï😀",
    "a" * 2000,
    "../x",
]


class UserIndexContract:
    """Tests of the lists of users' sessions; they are skipped for a store without them."""

    pytestmark = pytest.mark.anyio

    async def test_a_users_sessions_are_listed(self, store: SessionStore) -> None:
        """Sessions that were put are listed as they were put, whatever names their user, and no other user's."""
        index = _index(store)
        for user in USERS:
            entries = [await _signed_in(store, user, device=f"device {number}") for number in range(2)]
            found = sorted(await index.entries(user), key=lambda entry: entry.device)
            assert found == entries, f"entries({user!r}) must return what was put, not {found!r}"
        assert await index.entries("someone else") == [], "entries() must return nothing for a user without sessions"

    async def test_putting_again_replaces(self, store: SessionStore) -> None:
        """A session that is put again has one entry, the new one."""
        index, session_id = _index(store), await written(store, b"{}")
        for device in ("before", "after"):
            await _put(store, "ada", session_id, device)
        found = [entry.device for entry in await index.entries("ada")]
        assert found == ["after"], f"put() must replace the entry of a session, listed are {found!r}"

    async def test_dropping_leaves_the_session(self, store: SessionStore) -> None:
        """A dropped entry is not listed; the session itself stays, and so do other entries."""
        index, session_id = _index(store), await written(store, b"mine")
        await _put(store, "ada", session_id)
        other = await _signed_in(store, "ada")
        for _ in range(2):  # dropping what is not there is no error
            await index.drop("ada", session_id)
        assert await index.entries("ada") == [other], "drop() must forget one entry"
        assert await store.read(session_id, LIFETIME) == b"mine", "drop() must leave the session alone"

    async def test_removed_sessions_leave_the_list(self, store: SessionStore) -> None:
        """A session that was removed from the store is not listed."""
        index, session_id = _index(store), await written(store, b"{}")
        await _put(store, "ada", session_id)
        await store.remove(session_id)
        assert await index.entries("ada") == [], "entries() must not return sessions that are gone"

    async def test_ended_sessions_leave_the_list(self, store: SessionStore, advance: Advance) -> None:
        """If `traits.expires`, a session whose time to live is over is not listed; one that goes on is."""
        index = _index(store)
        needs(store.traits.expires, "traits.expires")
        short = await store.write(generate_session_id(), b"{}", LIFETIME, SHORT_TTL)
        await _put(store, "ada", short, ttl=SHORT_TTL)
        long = await _signed_in(store, "ada")
        await pass_time(advance, SHORT_TTL + 1)
        assert await index.entries("ada") == [long], "entries() must return the sessions that have not ended"

    async def test_revoking_the_chosen(self, store: SessionStore) -> None:
        """Revoking ends the chosen sessions and says how many there were; others, and other users', go on."""
        index = _index(store)
        mine = {
            session_id: await _put(store, "ada", session_id) for session_id in [await _new(store) for _ in range(4)]
        }
        theirs = await _new(store)
        await _put(store, "bob", theirs)
        first, gone, *kept = mine
        await store.remove(gone)
        doomed = {mine[first].handle, mine[gone].handle, hash_id(theirs)}
        revoked = await index.revoke("ada", lambda handle: handle in doomed)
        assert revoked == 1, f"one of the chosen sessions was there, revoke() returned {revoked!r}"
        assert await store.read(first, LIFETIME) == b"", "revoke() must delete the session"
        listed = {entry.handle for entry in await index.entries("ada")}
        assert listed == set(map(hash_id, kept)), "revoke() must take the chosen entries out of the list, and no others"
        for session_id in (*kept, theirs):
            assert await store.read(session_id, LIFETIME) == b"{}", "revoke() took a session along that was not chosen"
        assert len(await index.entries("bob")) == 1, "revoke() must leave other users' lists alone"

    async def test_many_logins_at_once(self, store: SessionStore) -> None:
        """Sessions of one user that begin at the same time are all listed, and all end at once."""
        index = _index(store)
        await asyncio.gather(*(_signed_in(store, "ada") for _ in range(30)))
        found = len(await index.entries("ada"))
        assert found == 30, f"30 sessions were put at the same time, {found} are listed"
        assert await index.revoke("ada", lambda _: True) == 30, "revoke() must end all of them"
        assert await index.entries("ada") == [], "revoke() must empty the list"

    async def test_the_users_functions(self, store: SessionStore) -> None:
        """The functions of `starsessions.users` work on the store."""
        _index(store)
        session_id = await _new(store)
        await _put(store, "ada", session_id)
        (found,) = await list_sessions(store, "ada")
        assert not await revoke_session(store, "ada", session_id), "a session's id is no handle"
        assert await revoke_session(store, "ada", found.handle), "the handle from the list must end the session"
        assert await store.read(session_id, LIFETIME) == b""
        assert await revoke_all_sessions(store, "ada") == 0


def _index(store: SessionStore) -> UserIndex:
    needs(store.users is not None, "it has no index of users")
    return typing.cast("UserIndex", store.users)


async def _new(store: SessionStore) -> str:
    return await written(store, b"{}")


async def _put(
    store: SessionStore, user: str, session_id: str, device: str = "a browser", ttl: int = LIFETIME
) -> UserSession:
    now = round(time.time(), 3)
    entry = UserSession(hash_id(session_id), device, created=now - 1000.5, last_seen=now)
    await _index(store).put(user, session_id, entry, ttl)
    return entry


async def _signed_in(store: SessionStore, user: str, device: str = "a browser") -> UserSession:
    return await _put(store, user, await _new(store), device)
