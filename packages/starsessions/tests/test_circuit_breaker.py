"""A store that fails again and again is left alone for a while."""

import asyncio
import time

import pytest

from starsessions.exceptions import SessionStoreUnavailable, SessionTooLarge
from starsessions.failures import CircuitBreaker, StoreCalls

pytestmark = pytest.mark.anyio


async def test_the_breaker_lets_one_probe_through(monkeypatch):
    """After the pause one call may try while the others are refused; its success lets everyone in again."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    breaker = CircuitBreaker(threshold=2, pause=5)
    for _ in range(2):
        breaker.enter()
        breaker.failed()
    with pytest.raises(SessionStoreUnavailable) as refused:
        breaker.enter()
    assert refused.value.retry_after == 5
    now += 5.1
    breaker.enter()
    with pytest.raises(SessionStoreUnavailable):
        breaker.enter()
    breaker.abandoned()  # the visitor of the probing request went away
    breaker.enter()
    breaker.succeeded()
    breaker.enter()
    breaker.enter()


async def test_a_failing_probe_begins_the_pause_anew(monkeypatch):
    """A probe that fails keeps the store alone for another pause."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    breaker = CircuitBreaker(threshold=1, pause=5)
    breaker.failed()
    now += 5.1
    breaker.enter()
    breaker.failed()
    with pytest.raises(SessionStoreUnavailable):
        breaker.enter()


async def test_a_store_that_fails_is_left_alone(make_site, failing_store):
    """After five failures in a row the store is not asked any more, until it is tried again and works."""
    site = make_site(failing_store, lifetime=60, on_store_failure="anonymous")
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        failing_store.failure, failing_store.calls = OSError(), 0
        for _ in range(8):
            await visitor.get("/show")
    assert failing_store.calls == 5


async def test_errors_about_the_session_are_no_failures_of_the_store():
    """A session that is too large says nothing about the store and is passed on under every policy."""

    async def refuse():
        raise SessionTooLarge("too large")

    calls = StoreCalls(policy="anonymous")
    for _ in range(10):
        with pytest.raises(SessionTooLarge):
            await calls(refuse)


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError])
async def test_one_visitor_cannot_close_the_store_for_all(make_site, error, failing_store):
    """A store that raises because of the id in one visitor's cookie, no UUID for example, is asked for the others'."""

    usual = failing_store.read

    async def picky(session_id, lifetime):
        if "attack" in session_id:
            raise error(session_id)
        return await usual(session_id, lifetime)

    failing_store.read = picky
    site = make_site(failing_store, lifetime=60)
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        for number in range(10):
            with pytest.raises(error):
                await visitor.get("/show", headers={"cookie": f"session=attack{number}"})
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


async def test_a_cancelled_request_is_no_failure_of_the_store():
    """Visitors who go away do not open the breaker."""

    async def wait():
        await asyncio.Event().wait()

    calls = StoreCalls(timeout=60)
    for _ in range(10):
        task = asyncio.ensure_future(calls(wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    calls.breaker.enter()
