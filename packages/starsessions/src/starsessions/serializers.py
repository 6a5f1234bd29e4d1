"""Serializers turn the session's data into the bytes that a store keeps."""

from __future__ import annotations

import abc
import json
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JsonSerializer", "Serializer"]

_USUAL = (json.JSONDecoder.decode, json.JSONDecoder.raw_decode)


class Serializer(abc.ABC):
    """Turn data into bytes and back. Extend it to store sessions in a format of your own.

    `gives_json_types` says that `deserialize` returns nothing else than dictionaries with texts as keys, lists, texts,
    numbers, booleans and None, which makes it cheaper to see whether a session changed.
    """

    gives_json_types = False

    @abc.abstractmethod
    def serialize(self, data: typing.Any) -> bytes:
        """Return `data` as bytes. Equal data must give equal bytes, or unchanged sessions will be written."""

    @abc.abstractmethod
    def deserialize(self, data: bytes) -> dict[str, typing.Any]:
        """Return the dictionary that `serialize` was given."""


class JsonSerializer(Serializer):
    """Store sessions as UTF-8 JSON.

    `json_encoder` and `json_decoder` are classes as `json.dumps(cls=)` and `json.loads(cls=)` take them, for
    values that JSON does not know. Each is built once with the arguments that the json module would pass.
    """

    def __init__(
        self,
        json_encoder: type[json.JSONEncoder] = json.JSONEncoder,
        json_decoder: type[json.JSONDecoder] = json.JSONDecoder,
    ) -> None:
        self._encode = json_encoder(
            skipkeys=False,
            ensure_ascii=True,
            check_circular=True,
            allow_nan=True,
            sort_keys=False,
            indent=None,
            separators=None,
            default=None,
        ).encode
        is_own = type(self).deserialize is JsonSerializer.deserialize
        self.gives_json_types = is_own and json_decoder is json.JSONDecoder
        decoder = json_decoder()
        self._decode: Callable[[str], typing.Any] = decoder.decode
        # All that JSONDecoder's methods do besides is to look for blanks around the document.
        is_usual = (json_decoder.decode, json_decoder.raw_decode) == _USUAL
        self._scan: Callable[[str, int], tuple[typing.Any, int]] | None = (
            vars(decoder).get("scan_once") if is_usual else None
        )

    def serialize(self, data: typing.Any) -> bytes:
        """Return `data` as JSON. Raises TypeError for values that JSON cannot hold."""
        return self._encode(data).encode()

    def deserialize(self, data: bytes) -> dict[str, typing.Any]:
        """Return the decoded object; nothing stored gives an empty dictionary."""
        text = str(data, "utf-8")
        if self._scan is not None:
            try:
                document, end = self._scan(text, 0)
            except StopIteration:  # no JSON, and `decode` tells where
                end = -1
            if end == len(text):
                return document  # type: ignore[no-any-return]  # the caller looks what it is
        return self._decode(text) if text else {}  # the caller looks what it is
