"""Files that would run scripts in a visitor's browser are downloaded, not shown."""

from urllib.request import urlopen

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from django_minio_backend import MinioBackend
from django_minio_backend.content_types import ACTIVE_TYPES, is_active, name_is_active


def disposition(url):
    with urlopen(url) as answer:
        return answer.headers["content-disposition"]


@pytest.mark.parametrize("name", ["evil.html", "a/b.SVG", "x.js", "x.xml", "x.xhtml", "x.svgz", "x.mhtml", "x.htm"])
def test_active_files_are_attachments(storage, name):
    """HTML, SVG, scripts and XML are sent with Content-Disposition: attachment."""
    assert disposition(storage.url(storage.save(name, ContentFile(b"<script>alert(1)</script>")))) == "attachment"


@pytest.mark.parametrize("name", ["photo.png", "paper.pdf", "notes.txt", "html", "data.json", "movie.mp4", "no-ending"])
def test_passive_files_are_shown(storage, name):
    """Pictures, text and the like are sent as they are."""
    assert disposition(storage.url(storage.save(name, ContentFile(b"content")))) is None


@pytest.mark.parametrize(("name", "said"), [("evil.html", "image/png"), ("photo.png", "text/html; charset=utf-8")])
def test_the_said_type_and_the_name_both_count(storage, name, said):
    """An upload cannot talk its way out: neither by a harmless type for an active name nor the other way round."""
    saved = storage.save(name, SimpleUploadedFile(name, b"<script>", content_type=said))
    assert disposition(storage.url(saved)) == "attachment"


@pytest.mark.parametrize(
    "said",
    [
        "text/html x",
        "text/html\r\nX-Evil: 1",
        "text/ht\tml",
        "html",
        "ü/html",
        "*/*",
        "unknown/unknown",
        "image/png\0",
        " ",
    ],
)
def test_what_is_no_type_is_not_stored(storage, said):
    """An uploader cannot make browsers look into a file for HTML: what is no type gives way to that of the name."""
    saved = storage.save("file.bin", SimpleUploadedFile("file.bin", b"<script>", content_type=said))
    assert storage.stat(saved).content_type == "application/octet-stream"


def test_public_objects_are_attachments_too(configure, new_bucket, anonymous):
    """The plain address of an active file in a public bucket is a download: the object itself says so."""
    public = new_bucket()
    configure(MINIO_PUBLIC_BUCKETS=[public])
    call_command("initialize_buckets", silenced=True)
    storage = MinioBackend(public)
    assert disposition(storage.url(storage.save("page.html", ContentFile(b"<p>")))) == "attachment"


def test_objects_of_others_are_attachments_by_their_links(storage, sdk, s3_bucket):
    """A link to an active file that was stored without a disposition asks the server for one."""
    import io

    sdk.put_object(s3_bucket, "old.html", io.BytesIO(b"<p>"), 3, content_type="text/html")
    assert disposition(storage.url("old.html")) == "attachment"
    assert disposition(storage.url("old.html", response_headers={"response-cache-control": "private"})) == "attachment"
    inline = {"response-content-disposition": "inline"}
    assert disposition(storage.url("old.html", response_headers=inline)) == "inline"


def test_metadata_and_settings_have_the_last_word(make_storage):
    """A disposition in the metadata, or MINIO_ATTACHMENT_TYPES without the type, shows a file."""
    named = make_storage(metadata={"Content-Disposition": "attachment; filename=a.html"})
    assert disposition(named.url(named.save("a.html", ContentFile(b"")), response_headers={})) == "attachment"
    shown = make_storage(MINIO_ATTACHMENT_TYPES=[])
    assert disposition(shown.url(shown.save("b.html", ContentFile(b"<p>")))) is None


def test_static_files_are_shown(make_storage):
    """The site's own scripts and drawings are served as they are."""
    from django_minio_backend import MinioBackendStatic

    static = make_storage(cls=MinioBackendStatic)
    name = static.save("logo.svg", ContentFile(b"<svg/>"))
    assert "content-disposition" not in {key.lower() for key in static.stat(name).metadata}


@pytest.mark.parametrize("kind", ["application/atom+xml", "IMAGE/SVG+XML", "text/html;charset=x"])
def test_types_are_recognised_however_they_are_written(kind):
    """Case, parameters and the +xml ending make no difference; an empty list counts nothing."""
    assert is_active("x", kind, ACTIVE_TYPES) and not is_active("x.html", kind, ())
    assert not name_is_active("html/x.png", ACTIVE_TYPES)
