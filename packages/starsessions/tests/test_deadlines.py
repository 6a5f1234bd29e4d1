"""How long a store may take for one call, and what watching that costs."""

import asyncio
import socket
from contextlib import closing

import pytest
from timeless import TimelessLoop

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


def while_the_loop_is_held_up(is_answered):
    """Make a call whose time passes in an event loop that does nothing meanwhile; return its result and the time."""

    async def main():
        loop, (ours, theirs) = asyncio.get_running_loop(), socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        with theirs, closing(writer):
            call = asyncio.create_task(StoreCalls(timeout=5)(reader.read, 100))
            await asyncio.sleep(0)
            if is_answered:
                theirs.send(b"answer")
            loop.passed += 60
            (result,) = await asyncio.gather(call, return_exceptions=True)
            return result, loop.passed

    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        return runner.run(main())


def test_an_answer_that_came_while_the_loop_was_held_up_counts():
    """A view that computes, or a machine that runs others for a minute, makes no store fail that has answered."""
    assert while_the_loop_is_held_up(is_answered=True) == (b"answer", 60)


def test_a_loop_that_was_held_up_gives_up_all_the_same():
    """Without an answer, the call is given up after as long again as it may take at most."""
    result, passed = while_the_loop_is_held_up(is_answered=False)
    assert isinstance(result, SessionStoreTimeout)
    assert passed == 60 + 5


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
