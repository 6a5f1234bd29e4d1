"""The methods for coroutines: what they return, and that the event loop goes on while they wait."""

import asyncio
import os
import threading

import pytest
from django.core.files.base import ContentFile
from django.http import StreamingHttpResponse

from django_minio_backend.deadlines import deadline
from django_minio_backend.errors import DeadlineExceeded

CALLS = {
    "asave": lambda storage: storage.asave("x", ContentFile(b"x")),
    "aopen": lambda storage: storage.aopen("x"),
    "adelete": lambda storage: storage.adelete("x"),
    "aexists": lambda storage: storage.aexists("x"),
    "asize": lambda storage: storage.asize("x"),
    "aget_modified_time": lambda storage: storage.aget_modified_time("x"),
    "aget_available_name": lambda storage: storage.aget_available_name("x"),
    "alistdir": lambda storage: storage.alistdir(),
}


def test_every_method_gives_what_its_twin_gives(storage):
    """Saving, opening, listing and the rest return the same from a coroutine as from anywhere else."""

    async def visit():
        name = await storage.asave("folder/file.txt", ContentFile("text"), max_length=100)
        again = await storage.asave("folder/file.txt", ContentFile("more"), max_length=100)
        assert name == "folder/file.txt" and again != name
        async with storage.aopen(name) as file:
            assert (file.size, file.name, file.content_type) == (4, name, "text/plain")
            assert await file.read(1) == b"t" and file.tell() == 1
            assert await file.seek(2) == 2 and await file.read() == b"xt"
        assert file.file.closed
        assert await storage.aexists(name) and await storage.asize(name) == 4
        assert await storage.aget_available_name(name) != name
        assert await storage.alistdir("folder") == ([], sorted([name[7:], again[7:]]))
        assert file.last_modified == await storage.aget_modified_time(name)
        assert (await storage.aurl(name, expires=60)).partition("?")[0] == storage.url(name).partition("?")[0]
        await storage.adelete(name)
        assert not await storage.aexists(name)

    asyncio.run(visit())


@pytest.mark.parametrize("method", CALLS)
def test_the_loop_goes_on_while_the_server_is_awaited(counted, proxy, method):
    """While a request is on its way, other tasks run: one of them is what lets the server answer."""
    counted.save("x", ContentFile(b"x"))
    answer = threading.Event()

    async def visit():
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def hold(request):
            loop.call_soon_threadsafe(arrived.set)
            return None if answer.wait(300) else "refuse 403"

        proxy.fault = hold
        task = asyncio.ensure_future(_awaited(CALLS[method](counted)))
        await arrived.wait()
        answer.set()
        await task

    asyncio.run(visit())


async def _awaited(awaitable):
    return await awaitable


def test_a_missing_file_is_an_error_before_anything_is_sent(storage):
    """Awaiting aopen() raises FileNotFoundError, while a view can still answer 404."""

    async def visit():
        with pytest.raises(FileNotFoundError):
            await storage.aopen("missing")
        with pytest.raises(FileNotFoundError):
            async with storage.aopen("missing"):
                pytest.fail("opened")

    asyncio.run(visit())


def test_many_files_are_read_at_once(storage):
    """A hundred downloads beside each other give each its own content."""

    async def load(number):
        async with storage.aopen(f"file-{number % 10}") as file:
            return b"".join([block async for block in file])

    async def visit():
        contents = [bytes([number]) * 200_000 for number in range(10)]
        await asyncio.gather(*(storage.asave(f"file-{n}", ContentFile(data)) for n, data in enumerate(contents)))
        assert await asyncio.gather(*map(load, range(100))) == contents * 10

    asyncio.run(visit())


def test_a_streaming_response_sends_a_file_and_closes_it(storage):
    """The file itself can be the content of a StreamingHttpResponse of an async view."""
    content = os.urandom(300_000)
    name = storage.save("download", ContentFile(content))

    async def visit():
        file = await storage.aopen(name)
        response = StreamingHttpResponse(file, content_type=file.content_type)
        assert response.is_async
        assert b"".join([part async for part in response]) == content
        await asyncio.to_thread(response.close)
        assert file.file.closed

    asyncio.run(visit())


def test_a_deadline_counts_in_the_threads_too(counted, proxy):
    """`with deadline(...)` around an await bounds what is awaited."""
    release = threading.Event()
    proxy.before = lambda request: release.wait(300)

    async def visit():
        with deadline(0.2), pytest.raises(DeadlineExceeded):
            await counted.aexists("x")

    try:
        asyncio.run(visit())
    finally:
        release.set()


def test_a_forked_process_has_threads_of_its_own(storage):
    """A worker that is forked after the parent used the methods can use them too."""
    storage.save("x", ContentFile(b"x"))
    assert asyncio.run(storage.aexists("x"))
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if asyncio.run(asyncio.wait_for(storage.aexists("x"), 300)) else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
