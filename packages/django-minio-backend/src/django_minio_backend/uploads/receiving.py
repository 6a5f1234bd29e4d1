"""Where browsers put files: forms and links that let them, and what arrived."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from minio.datatypes import PostPolicy

from django_minio_backend.deadlines import deadline
from django_minio_backend.errors import s3_error
from django_minio_backend.multipart import Parts, completion_of, text_in
from django_minio_backend.payload import Window
from django_minio_backend.signing import quote_path
from django_minio_backend.storage import MinioBackend
from django_minio_backend.stored import DirectUpload
from django_minio_backend.transport import Transport, explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django_minio_backend.uploads.tokens import Token

__all__ = ["IncompleteError", "Place", "Receiver"]

_LINK_SECONDS = 3600
_NO_UPLOAD = {"NoSuchUpload", "NoSuchKey"}  # the latter from Ceph
_DISPOSITION = "attachment"  # nobody is given a link before the file is saved, and it is not to run even then


class IncompleteError(Exception):
    """Parts of an upload are missing, or have another size: their numbers."""

    def __init__(self, missing: list[int]) -> None:
        super().__init__(f"{len(missing)} parts are missing.")
        self.missing = missing


@dataclass(frozen=True)
class Place:
    """Where one file shall arrive, and how it shall come."""

    key: str
    upload_id: str = ""
    part_size: int = 0


class Receiver:
    """The storage of an entry of STORAGES, as the place where browsers put files.

    Raises ImproperlyConfigured if the entry is no MinioBackend or has no MINIO_INCOMING_PREFIX.
    """

    def __init__(self, alias: str) -> None:
        storage = storages[alias]
        if not isinstance(storage, MinioBackend):
            raise ImproperlyConfigured(f'STORAGES["{alias}"] cannot receive uploads: it is no MinioBackend.')
        self.storage = storage
        self.prefix: str = storage.options.get("MINIO_INCOMING_PREFIX")
        if not self.prefix:
            raise ImproperlyConfigured(
                f'STORAGES["{alias}"] does not receive uploads from browsers: write "MINIO_INCOMING_PREFIX": '
                '"incoming/" into its OPTIONS.'
            )
        self._transport = Transport(storage.connection)

    def prepare(self, size: int, content_type: str) -> Place:
        """Choose where a file goes; one of MINIO_MULTIPART_THRESHOLD bytes or more comes in parts."""
        key = f"{self.prefix}{datetime.now(UTC):%Y-%m-%d}/{secrets.token_urlsafe(24)}"
        if size < self.storage.options.get("MINIO_MULTIPART_THRESHOLD"):
            return Place(key)
        headers = {"content-type": content_type, "content-disposition": _DISPOSITION}
        started = self._transport.request("POST", self.storage.bucket, key, query=[("uploads", "")], headers=headers)
        part_size = Parts(self.storage.options.get("MINIO_MULTIPART_PART_SIZE")).fitted(size)
        return Place(key, text_in(started.data, "UploadId"), part_size)

    def form(self, token: Token) -> tuple[str, dict[str, str]]:
        """Return address and fields of a form that takes just this file: its key, size and type are fixed."""
        fixed = {
            "key": token.key,
            "Content-Type": token.content_type,
            "Content-Disposition": _DISPOSITION,
            "success_action_status": "201",
        }
        policy = PostPolicy(self.storage.bucket, datetime.now(UTC) + timedelta(seconds=_LINK_SECONDS))
        for name, value in fixed.items():
            policy.add_equals_condition(name, value)
        policy.add_content_length_range_condition(token.size, token.size)
        with deadline(self.storage.total_timeout), explained(self.storage.connection):
            signed: Mapping[str, str | bytes] = self.storage.client.presigned_post_policy(policy)
        # minio 7.0 gives the policy as bytes
        texts = {name: value.decode() if isinstance(value, bytes) else value for name, value in signed.items()}
        return self._address(""), {**fixed, **texts}

    def links(self, token: Token, numbers: Iterable[int]) -> dict[int, str]:
        """Return an address for each of these parts; it takes a body of just the part's size, by PUT."""
        sizes = dict(_sizes(token))
        signer, host = self.storage.connection.signer, self.storage.external_endpoint.signed_host
        path = quote_path(f"/{self.storage.bucket}/{token.key}")
        region = self._transport.region(self.storage.bucket)
        found = {}
        for number in numbers:
            about = [("partNumber", str(number)), ("uploadId", token.upload_id)]
            query = signer.query_for_body(host, path, region, _LINK_SECONDS, about, sizes[number])
            found[number] = f"{self._address(token.key)}?{query}"
        return found

    def complete(self, token: Token) -> None:
        """Put the parts together; what counts is what the server lists, not what the browser says.

        Raises IncompleteError. An upload that is complete already is fine.
        """
        present = self._parts(token)
        if present is None:
            if self.find(token) is None:
                raise IncompleteError([number for number, _ in _sizes(token)])
            return
        if missing := [number for number, size in _sizes(token) if present.get(number, ("", -1))[1] != size]:
            raise IncompleteError(missing)
        tags = {number: present[number][0] for number, _ in _sizes(token)}
        body, query = Window.of(completion_of(tags)), [("uploadId", token.upload_id)]
        answer = self._transport.exchange("POST", self.storage.bucket, token.key, query=query, body=body)
        if answer.status >= 300 or b"<Error>" in answer.data:  # S3 may report a failure under status 200
            self._transport.fail(answer, self.storage.bucket, token.key)

    def abort(self, token: Token) -> None:
        """Remove what has arrived. It is no error if nothing has."""
        queries = [[("uploadId", token.upload_id)], []] if token.upload_id else [[]]
        for query in queries:
            answer = self._transport.exchange("DELETE", self.storage.bucket, token.key, query=query)
            if answer.status >= 300 and answer.status != 404:
                self._transport.fail(answer, self.storage.bucket, token.key)

    def find(self, token: Token) -> DirectUpload | None:
        """Return the file as it has arrived, or None if it has not, or is gone. One HEAD."""
        answer = self._transport.exchange("HEAD", self.storage.bucket, token.key)
        if answer.status == 404:
            return None
        if answer.status != 200:
            self._transport.fail(answer, self.storage.bucket, token.key)
        return DirectUpload(
            self.storage,
            token.key,
            name=token.name,
            size=int(answer.headers["content-length"]),
            content_type=token.content_type,
            etag=answer.headers["etag"],
        )

    def _address(self, key: str) -> str:
        path = f"/{self.storage.bucket}/{key}" if key else f"/{self.storage.bucket}"
        return f"{self.storage.base_url_external}{quote_path(path)}"

    def _parts(self, token: Token) -> dict[int, tuple[str, int]] | None:
        """Return etag and size of each part that has arrived, or None if the upload is no longer under way."""
        found: dict[int, tuple[str, int]] = {}
        marker = "0"
        while marker:
            query = [("uploadId", token.upload_id), ("part-number-marker", marker)]
            answer = self._transport.exchange("GET", self.storage.bucket, token.key, query=query)
            if answer.status == 404 and s3_error(answer, self.storage.bucket).code in _NO_UPLOAD:
                return None
            if answer.status >= 300:
                self._transport.fail(answer, self.storage.bucket, token.key)
            page, marker = _page_of(answer.data)
            found |= page
        return found


def _page_of(document: bytes) -> tuple[dict[int, tuple[str, int]], str]:
    """Return the parts on a page of the server's list, and where the next page begins; empty for no next page."""
    root = ET.fromstring(document)  # noqa: S314  the configured server's answer
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    parts = {
        int(part.findtext("PartNumber", "0")): (part.findtext("ETag", ""), int(part.findtext("Size", "0")))
        for part in root.iter("Part")
    }
    more = root.findtext("IsTruncated") == "true"
    return parts, root.findtext("NextPartNumberMarker", "") if more else ""


def _sizes(token: Token) -> Iterator[tuple[int, int]]:
    """Yield number and size of each part."""
    for number, start in enumerate(range(0, token.size, token.part_size), 1):
        yield number, min(token.part_size, token.size - start)
