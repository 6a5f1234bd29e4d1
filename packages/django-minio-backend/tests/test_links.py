"""The addresses that browsers get."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile

from pentad_config import override


def test_a_link_is_valid_for_the_asked_time(storage):
    """url() takes an expiry per call, as timedelta or seconds."""
    for expires in (90, timedelta(seconds=90)):
        query = parse_qs(urlsplit(storage.url("x", expires=expires)).query)
        assert query["X-Amz-Expires"] == ["90"]
    assert parse_qs(urlsplit(storage.url("x")).query)["X-Amz-Expires"] == ["604800"]


@pytest.mark.parametrize("expires", [0, -1, timedelta(days=7, seconds=1), float("inf"), float("nan")])
def test_an_impossible_expiry_is_refused(storage, expires):
    """S3 allows 1 second to 7 days; anything else is a ValueError before a useless link goes out."""
    with pytest.raises(ValueError, match="7 days"):
        storage.url("x", expires=expires)


def test_a_changed_link_is_refused(storage, anonymous, s3_service):
    """A link for one object opens no other where the server checks signatures; moto opens whatever a link names."""
    mine, other = (storage.save(name, ContentFile(name.encode())) for name in ("mine", "other"))
    answer, body = anonymous(storage.url(mine).replace(mine, other))
    assert (answer, body == b"other") == ((403, False) if s3_service.checks_signatures else (200, True))


def test_a_link_can_make_the_answer_a_download(storage):
    """response_headers become part of the signature and of the server's answer."""
    name = storage.save("page.html", ContentFile(b"<p>"))
    url = storage.url(name, response_headers={"response-content-disposition": "attachment; filename=a.html"})
    with urlopen(url) as answer:
        assert answer.headers["content-disposition"] == "attachment; filename=a.html"


@pytest.mark.parametrize(
    "wanted",
    [{"response-content-disposition": "attachment; filename=a\r\nSet-Cookie: x"}, {"X-Amz-Expires": "604800"}],
    ids=["header", "expiry"],
)
def test_a_link_takes_no_other_headers_or_parameters(storage, wanted):
    """A value that would start another header is refused, and a name that would be part of the signature."""
    with pytest.raises(ValueError, match=next(iter(wanted))):
        storage.url("x", response_headers=wanted)


def test_links_name_the_external_endpoint(make_storage, s3_service, anonymous):
    """Links are made and signed for the address browsers use; Django itself uses the internal one."""
    port = s3_service.endpoint.split(":")[1]
    outside = f"localhost:{port}"
    storage = make_storage(MINIO_EXTERNAL_ENDPOINT=outside, MINIO_EXTERNAL_ENDPOINT_USE_HTTPS=False)
    url = storage.url(storage.save("x", ContentFile(b"seen")))
    assert url.startswith(f"http://{outside}/") and anonymous(url) == (200, b"seen")
    assert not storage.same_endpoints
    assert (storage.base_url, storage.base_url_external) == (f"http://{s3_service.endpoint}", f"http://{outside}")


def test_the_sdk_signs_the_same_way(storage, anonymous):
    """client_external, and its old name client_fake, make links the server accepts as it accepts ours."""
    name = storage.save("x", ContentFile(b"1"))
    for client in (storage.client, storage.client_external, storage.client_fake):
        assert anonymous(client.presigned_get_object(storage.bucket, name)) == (200, b"1")


def test_cached_links_stay_the_same(make_storage):
    """With caching on, the same link is given until shortly before it expires, so that browsers can cache."""
    cache.clear()
    storage = make_storage(MINIO_URL_CACHING_ENABLED=True, MINIO_URL_EXPIRY_HOURS=timedelta(minutes=10))
    made = storage.url("x")
    (key,) = [key.partition("minio_url_") for key in cache._cache]
    assert cache.get("minio_url_" + key[2]) == made
    cache.set("minio_url_" + key[2], "the kept link")
    assert storage.url("x") == "the kept link"
    assert storage.url("y") != "the kept link" and storage.url("x", expires=60) != "the kept link"
    assert storage.url_cache_timeout == 480
    longer = make_storage(MINIO_URL_CACHING_ENABLED=True, MINIO_URL_CACHE_TIMEOUT=10**9)
    assert longer.url_cache_timeout == 604800 * 4 // 5


def test_a_rotated_key_makes_new_links(make_storage):
    """A link signed with a key that was replaced is not given out again."""
    cache.clear()
    options = {"MINIO_URL_CACHING_ENABLED": True, "MINIO_ACCESS_KEY": "env:S3_A", "MINIO_SECRET_KEY": "env:S3_B"}
    with override(S3_A="one", S3_B="secret-one"):
        first = make_storage(**options).url("x")
    cached = make_storage(**{**options, "MINIO_ACCESS_KEY": "two", "MINIO_SECRET_KEY": "secret-two"}).url("x")
    assert "Credential=one%2F" in first and "Credential=two%2F" in cached


def test_default_ports_are_not_signed(server_options):
    """Clients leave the scheme's default port out of the Host header, so the signature leaves it out too."""
    from django_minio_backend.connection import Endpoint

    assert Endpoint("example.org:443", True).signed_host == "example.org"
    assert Endpoint("example.org:80", False).signed_host == "example.org"
    assert Endpoint("example.org:443", False).signed_host == "example.org:443"


def test_a_region_is_asked_for_only_if_none_is_set(make_storage, proxy, s3_service):
    """With MINIO_REGION = None the bucket's region is asked for once, and signing works."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, MINIO_REGION=None, MINIO_CONDITIONAL_WRITES=True)
    storage.save("x", ContentFile(b"1"))
    storage.save("y", ContentFile(b"1"))
    assert proxy.methods == ["GET", "PUT", "PUT"]
