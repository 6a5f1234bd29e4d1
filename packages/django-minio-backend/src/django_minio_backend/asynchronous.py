"""The storage's methods for coroutines: each does its work in a thread, and the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from django.core.files.storage import Storage

from django_minio_backend.reading import S3File

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from datetime import datetime
    from types import TracebackType

__all__ = ["AsyncS3File", "Asynchronous"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_CHUNK = 64 * 1024
_THREADS = 32  # as many as a server's pool keeps connections

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def _threads() -> ThreadPoolExecutor:
    """Return this process's threads: the loop's own are few, and it needs them, such as for resolving names."""
    global _pool  # noqa: PLW0603
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="django-minio-backend")
        return _pool


def _forget_after_fork() -> None:
    """A forked child has none of its parent's threads, and the lock may be held by one of them."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_after_fork)


async def _in_thread(
    function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """Call the function in a thread, with the context of the caller: a deadline counts there too."""
    call = partial(copy_context().run, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads(), call)


class AsyncS3File:
    """An object opened by `aopen()`. It is for one task at a time.

    `async for` goes through what is left in blocks of up to 64 KiB, so that the file itself can be the content of
    a StreamingHttpResponse, which closes it.
    """

    def __init__(self, file: S3File) -> None:
        self.file = file

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.file.name)

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self.file.size

    @property
    def etag(self) -> str:
        """The server's identifier of the opened version."""
        return self.file.etag

    @property
    def last_modified(self) -> datetime:
        """When the opened version was written, in UTC."""
        return self.file.last_modified

    @property
    def content_type(self) -> str:
        """The content type the object was stored with."""
        return self.file.content_type

    async def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, or all that is left."""
        return cast("bytes", await _in_thread(self.file.read, size))

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; return it."""
        return int(await _in_thread(self.file.seek, offset, whence))

    def tell(self) -> int:
        """Return the position."""
        return int(self.file.tell())

    async def aclose(self) -> None:
        """Give the connection back."""
        await _in_thread(self.file.close)

    def close(self) -> None:
        """Give the connection back, outside of coroutines: it may wait for the network."""
        self.file.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while block := await self.read(_CHUNK):
            yield block

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Opening:
    """What `aopen()` returns: `await` it for the file, or say `async with` to have the file closed as well."""

    def __init__(self, storage: Storage, name: str | os.PathLike[str]) -> None:
        self._storage, self._name = storage, name
        self._file: AsyncS3File | None = None

    def __await__(self) -> Generator[Any, None, AsyncS3File]:
        return self._opened().__await__()

    async def _opened(self) -> AsyncS3File:
        return AsyncS3File(cast("S3File", await _in_thread(self._storage.open, cast("str", self._name))))

    async def __aenter__(self) -> AsyncS3File:
        self._file = await self._opened()
        return self._file

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            await self._file.aclose()


class Asynchronous(Storage):
    """The part of `MinioBackend` for coroutines. Results and errors are those of the methods without the `a`.

    A task that is cancelled no longer waits; a request that its thread has begun is still carried out.
    """

    async def asave(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Store the content and return the name it got. The content is read in a thread."""
        return str(await _in_thread(self.save, name, content, max_length))

    def aopen(self, name: str | os.PathLike[str]) -> Opening:
        """Open an object for reading: `file = await storage.aopen(name)`, or `async with storage.aopen(name)`."""
        return Opening(self, name)

    async def adelete(self, name: str) -> None:
        """Remove the object; a missing one is fine."""
        await _in_thread(self.delete, name)

    async def aexists(self, name: str) -> bool:
        """Whether there is an object of this name."""
        return bool(await _in_thread(self.exists, name))

    async def asize(self, name: str) -> int:
        """Return the object's length in bytes."""
        return int(await _in_thread(self.size, name))

    async def aget_modified_time(self, name: str) -> datetime:
        """Return when the object was written."""
        return await _in_thread(self.get_modified_time, name)

    async def aget_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return a name that is free, no longer than `max_length`."""
        return str(await _in_thread(self.get_available_name, name, max_length))

    async def alistdir(self, path: str = "", **kwargs: Any) -> tuple[list[str], list[str]]:
        """Return the folders and the files directly below `path`, each sorted."""
        return await _in_thread(self.listdir, path, **kwargs)

    async def aurl(self, name: str | None, **kwargs: Any) -> str:
        """Return the address a browser can load the object from; keywords as of `url()`."""
        return str(await _in_thread(self.url, name, **kwargs))
