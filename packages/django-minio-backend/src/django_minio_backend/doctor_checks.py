"""What `s3_doctor` tries, in the order in which it is shown."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from minio.datatypes import PostPolicy

from django_minio_backend.clocks import LONGEST_SKEW
from django_minio_backend.declarations import CorsRule, LifecycleRule
from django_minio_backend.doctor import Check, Need, Patient, Shortcoming
from django_minio_backend.health import server_status
from django_minio_backend.multipart import MultipartUpload, Parts
from django_minio_backend.payload import Window
from django_minio_backend.policies import public_read_policy
from django_minio_backend.probing import Prober

if TYPE_CHECKING:
    import urllib3

__all__ = ["CHECKS"]

_ODD_NAMES = ("sp ace", "ümlaut", "per%cent", "plus+sign", "ques?tion", "ha#sh", "quote'", "a=b&c")


def _expect(answer: urllib3.BaseHTTPResponse, *statuses: int) -> None:
    if answer.status not in statuses:
        raise Shortcoming(f"HTTP status {answer.status}, not {' or '.join(map(str, statuses))}")


def _demand(fact: object, otherwise: str) -> None:
    if not fact:
        raise Shortcoming(otherwise)


def _reachable(patient: Patient) -> str:
    status = server_status(patient.storage.connection, 5.0)
    _demand(status, status.details.replace("\n", " "))
    return f"HTTP status {status.status}"


def _clock(patient: Patient) -> str:
    skew = server_status(patient.storage.connection, 5.0).clock_skew
    _demand(skew is not None, "the server does not say what time it is")
    _demand(abs(skew or 0) < LONGEST_SKEW, f"{skew:+.0f} seconds")
    return f"{skew:+.0f} seconds"


def _objects(patient: Patient) -> None:
    patient.put("object", headers={"content-type": "text/x-doctor", "x-amz-meta-note": "well"})
    answer = patient.send("GET", "object")
    _expect(answer, 200)
    kept = answer.headers.get("content-type"), answer.headers.get("x-amz-meta-note")
    _demand(answer.data == b"content", "the content came back changed")
    _demand(kept == ("text/x-doctor", "well"), f"content type and metadata came back as {kept}")
    _expect(patient.send("DELETE", "object"), 200, 204)
    _expect(patient.send("HEAD", "object"), 404)


def _ranges(patient: Patient) -> None:
    patient.put("range", b"0123456789")
    for asked, wanted in (("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-2", b"89")):
        answer = patient.send("GET", "range", headers={"range": asked})
        _expect(answer, 206)
        _demand(answer.data == wanted, f"{asked} gave other bytes")


def _read_conditions(patient: Patient) -> None:
    patient.put("version", b"1")
    etag = patient.send("HEAD", "version").headers.get("etag", "")
    _expect(patient.send("GET", "version", headers={"if-match": etag}), 200)
    patient.put("version", b"2")
    _expect(patient.send("GET", "version", headers={"if-match": etag}), 412)


def _listing(patient: Patient) -> None:
    for name in ("list/a", "list/b", "list/deep/c"):
        patient.put(name)
    client, prefix = patient.storage.client, patient.key("list/")
    direct = {entry.object_name for entry in client.list_objects(patient.bucket, prefix=prefix)}
    _demand(direct == {prefix + name for name in ("a", "b", "deep/")}, "folders are not told from files")
    query = [("list-type", "2"), ("prefix", prefix), ("max-keys", "1")]
    page = patient.send("GET", query=query)
    _demand(b"<NextContinuationToken>" in page.data, "a listing does not go on after its first page")


def _names(patient: Patient) -> None:
    for name in _ODD_NAMES:
        patient.put(f"odd/{name}", name.encode())
        _demand(patient.send("GET", f"odd/{name}").data == name.encode(), f"{name!r} came back changed")
    prefix = patient.key("odd/")
    listed = {entry.object_name for entry in patient.storage.client.list_objects(patient.bucket, prefix=prefix)}
    _demand(listed == {prefix + name for name in _ODD_NAMES}, "a listing shows other names")


def _etags(patient: Patient) -> None:
    patient.put("etag", b"content")
    _demand(
        patient.send("HEAD", "etag").headers.get("etag", "").strip('"')
        == hashlib.md5(b"content", usedforsecurity=False).hexdigest(),
        "not MD5",
    )


def _parts(patient: Patient) -> None:
    body = Window.of(b"x" * (5 * 1024 * 1024 + 1))
    upload = MultipartUpload(patient.storage.connection, patient.bucket, patient.key("parts"), {})
    upload.run(body, Parts(5 * 1024 * 1024), conditional=False)
    _demand(
        patient.send("HEAD", "parts").headers.get("content-length") == str(body.size), "the object has another size"
    )


def _conditional_writes(patient: Patient) -> None:
    _demand(Prober(patient.storage.connection).honours_writes(patient.bucket), "If-None-Match is ignored")


def _conditional_completion(patient: Patient) -> None:
    _demand(Prober(patient.storage.connection).honours_completion(patient.bucket), "If-None-Match is ignored")


def _link(patient: Patient, name: str) -> str:
    client = patient.storage.client
    return str(client.presigned_get_object(patient.bucket, patient.key(name), expires=timedelta(minutes=5)))


def _links(patient: Patient) -> None:
    patient.put("link", b"linked")
    _demand(patient.load(_link(patient, "link")).data == b"linked", "the link does not open the object")


def _tampered_links(patient: Patient) -> None:
    patient.put("mine")
    patient.put("other")
    _expect(patient.load(_link(patient, "mine").replace("/mine?", "/other?")), 403, 400)


def _link_headers(patient: Patient) -> None:
    patient.put("page")
    wanted: dict[str, str | list[str] | tuple[str]] = {"response-content-disposition": "attachment"}
    link = patient.storage.client.presigned_get_object(
        patient.bucket, patient.key("page"), response_headers=wanted, expires=timedelta(minutes=5)
    )
    found = patient.load(link).headers.get("content-disposition")
    _demand(found == "attachment", "the answer has no such header")


def _strangers(patient: Patient) -> None:
    patient.put("secret")
    _expect(patient.load(patient.address("secret")), 401, 403)
    _expect(patient.load(patient.address("secret"), "PUT", body=b"x"), 401, 403)


def _wrong_signatures(patient: Patient) -> None:
    patient.put("keyed")
    link = _link(patient, "keyed")
    _expect(patient.load(link), 200)
    _expect(patient.load(link[:-1] + ("0" if link[-1] != "0" else "1")), 403, 400)


def _public_reading(patient: Patient) -> None:
    patient.put("public", b"seen")
    patient.buckets.set_policy(patient.bucket, public_read_policy(patient.bucket))
    try:
        answer = patient.load(patient.address("public"))
        _expect(answer, 200)
        _expect(patient.load(f"{patient.storage.base_url}/{patient.bucket}?list-type=2"), 401, 403)
        _expect(patient.load(patient.address("public"), "PUT", body=b"x"), 401, 403)
    finally:
        patient.buckets.remove_policy(patient.bucket)
    _expect(patient.load(patient.address("public")), 401, 403)


def _lifecycle(patient: Patient) -> None:
    rules = (LifecycleRule(id="tidy", prefix="tmp/", expire_days=7),)
    patient.buckets.set_lifecycle(patient.bucket, rules)
    found = patient.buckets.lifecycle(patient.bucket)
    patient.buckets.set_lifecycle(patient.bucket, ())
    _demand(found == rules, "the rules come back changed")


def _cors(patient: Patient) -> None:
    rules = (CorsRule(("https://a.example",), ("PUT",), ("*",), ("ETag",)),)
    patient.buckets.set_cors(patient.bucket, rules)
    found = patient.buckets.cors(patient.bucket)
    patient.buckets.set_cors(patient.bucket, ())
    _demand(found == rules, "the rules come back changed")


def _versioning(patient: Patient) -> None:
    patient.buckets.set_versioning(patient.bucket, enabled=True)
    found = patient.buckets.versioning(patient.bucket)
    patient.buckets.set_versioning(patient.bucket, enabled=False)
    _demand(found, "it stays off")


def _posting(patient: Patient) -> None:
    policy = PostPolicy(patient.bucket, datetime.now(UTC) + timedelta(minutes=5))
    policy.add_starts_with_condition("key", patient.key("posted"))
    policy.add_content_length_range_condition(1, 10)
    form = patient.storage.client.presigned_post_policy(policy) | {"key": patient.key("posted")}
    url = f"{patient.storage.base_url}/{patient.bucket}"
    _expect(patient.load(url, "POST", fields={**form, "file": ("f", b"small")}), 200, 201, 204)
    answer = patient.load(url, "POST", fields={**form, "file": ("f", b"larger than ten bytes")})
    _demand(answer.status >= 400, "the limit of the size is ignored")


_FALLBACK = "a name then costs five requests"
CHECKS: Final = (
    Check("answers as an S3 server", Need.REQUIRED, _reachable),
    Check("clock within 15 minutes", Need.REQUIRED, _clock, "set the clocks by NTP, or every signature is refused"),
    Check("write, read, delete objects", Need.REQUIRED, _objects),
    Check("read by ranges", Need.REQUIRED, _ranges, "seeking and resumed reads fail"),
    Check("list by folder and page", Need.REQUIRED, _listing, "listdir() and collectstatic fail"),
    Check("odd names", Need.RECOMMENDED, _names, "keep to plain names"),
    Check(
        "read conditions (If-Match)", Need.RECOMMENDED, _read_conditions, "a file replaced while read can be a mixture"
    ),
    Check("etags are MD5", Need.RECOMMENDED, _etags, "collectstatic uploads everything each time"),
    Check("uploads in parts", Need.REQUIRED, _parts, "files above 64 MiB cannot be saved"),
    Check("conditional writes", Need.RECOMMENDED, _conditional_writes, _FALLBACK),
    Check(
        "conditional end of uploads in parts", Need.OPTIONAL, _conditional_completion, "names are held by empty objects"
    ),
    Check("presigned links", Need.REQUIRED, _links, "links to private files fail"),
    Check("tampered links are refused", Need.REQUIRED, _tampered_links, "private files are not private"),
    Check("wrong signatures are refused", Need.REQUIRED, _wrong_signatures, "anyone can read and write"),
    Check("strangers are refused", Need.REQUIRED, _strangers, "private files are not private"),
    Check("links with response headers", Need.RECOMMENDED, _link_headers, "active files may be shown, not downloaded"),
    Check(
        "public buckets by policy", Need.RECOMMENDED, _public_reading, "serve public files another way", own_bucket=True
    ),
    Check("versioning", Need.OPTIONAL, _versioning, "leave it out of MINIO_BUCKETS", own_bucket=True),
    Check("lifecycle rules", Need.OPTIONAL, _lifecycle, "leave them out of MINIO_BUCKETS", own_bucket=True),
    Check("CORS rules", Need.OPTIONAL, _cors, "leave them out of MINIO_BUCKETS", own_bucket=True),
    Check("forms posted by browsers", Need.OPTIONAL, _posting, "upload through Django"),
)
"""All checks."""
