"""Calling an encryptor, whatever kind the application wrote: plain or async, derived or merely alike."""

from __future__ import annotations

import inspect
import typing

if typing.TYPE_CHECKING:
    from starsessions.encryptors import Encryptor

__all__ = ["seal", "unseal"]


async def seal(encryptor: Encryptor, data: bytes, session_id: str | None) -> bytes:
    """Return `data` encrypted for the record of `session_id` (None: the store chooses the id)."""
    bound = getattr(encryptor, "encrypt_for", None)
    return await _result(bound(data, session_id) if bound else encryptor.encrypt(data))


async def unseal(encryptor: Encryptor, data: bytes, session_id: str | None) -> bytes:
    """Return the record of `session_id` decrypted. Raises what the encryptor raises."""
    bound = getattr(encryptor, "decrypt_for", None)
    return await _result(bound(data, session_id) if bound else encryptor.decrypt(data))


async def _result(value: typing.Any) -> bytes:
    return typing.cast("bytes", await value if inspect.isawaitable(value) else value)
