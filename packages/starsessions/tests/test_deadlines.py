"""How long a store may take for one call, and what watching that costs."""

import asyncio

import pytest

from starsessions.exceptions import SessionStoreTimeout
from starsessions.failures import StoreCalls


async def hang():
    """Never answer."""
    await asyncio.Event().wait()


async def answer(value):
    """Answer at the second look."""
    await asyncio.sleep(0)
    return value


async def time_until_it_fails(calls):
    """Return how long a call takes that is never answered."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    with pytest.raises(SessionStoreTimeout):
        await calls(hang)
    return loop.time() - begin


def test_each_call_has_the_whole_time():
    """Calls that begin while others are watched already are given up after the full time, and not before."""

    async def main():
        calls = StoreCalls(timeout=0.2)
        first = asyncio.create_task(time_until_it_fails(calls))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(time_until_it_fails(calls))
        # The first is given up while the second is watched; a third begins when the timer goes on to the second.
        times = [await first, await time_until_it_fails(calls), await second]
        assert all(time >= 0.19 for time in times), times

    asyncio.run(main())


def test_one_timer_for_many_calls():
    """However many calls are answered in time, one timer of the event loop watches them."""

    async def main(monkeypatch):
        loop, timers = asyncio.get_running_loop(), []
        call_at = loop.call_at
        monkeypatch.setattr(loop, "call_at", lambda *args, **options: timers.append(args) or call_at(*args, **options))
        calls = StoreCalls(timeout=600)
        assert await asyncio.gather(*(calls(answer, number) for number in range(20))) == list(range(20))
        for number in range(20):
            assert await calls(answer, number) == number
        assert len(timers) == 1

    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(main(monkeypatch))


def test_several_event_loops_one_after_the_other():
    """A store that is used from one event loop after another is given up in each of them."""
    calls = StoreCalls(timeout=0.05)
    for _ in range(2):
        assert asyncio.run(time_until_it_fails(calls)) >= 0.04
    assert asyncio.run(calls(answer, 1)) == 1


def test_an_answered_call_is_not_ended_later():
    """A task whose call was answered in time is left alone, although others' calls run out of time after it."""

    async def main():
        calls = StoreCalls(timeout=0.1)

        async def served():
            assert await calls(answer, 1) == 1
            await over.wait()
            return asyncio.current_task().cancelling()

        over = asyncio.Event()
        task = asyncio.create_task(served())
        await time_until_it_fails(calls)
        over.set()
        assert await task == 0

    asyncio.run(main())


@pytest.mark.anyio
async def test_a_store_that_swallows_cancellation():
    """A client that takes the cancellation at the end of the time for something of its own is cancelled again."""
    swallowed = []

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                swallowed.append(1)
                if len(swallowed) == 3:
                    raise OSError("that was a timeout, was it not?") from None

    with pytest.raises(SessionStoreTimeout, match=r"did not answer within 0\.01 seconds"):
        await StoreCalls(timeout=0.01)(stubborn)
    assert len(swallowed) == 3
    assert asyncio.current_task().cancelling() == 0


@pytest.mark.anyio
async def test_cancelled_by_others_when_time_is_up():
    """A request that is cancelled while its time is up ends cancelled, not with a timeout."""
    entered = asyncio.Event()

    async def slow():
        entered.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            request.cancel()
            raise

    request = asyncio.ensure_future(StoreCalls(timeout=0.01)(slow))
    await entered.wait()
    with pytest.raises(asyncio.CancelledError):
        await request
