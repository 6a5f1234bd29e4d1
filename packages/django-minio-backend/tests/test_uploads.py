"""Uploads that bypass Django: what the server hands out, what it takes, and what it refuses."""

import itertools
import json
import re
import time

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from library.forms import AlbumForm, DocumentForm, PictureForm
from library.models import Document
from minio.error import S3Error
from urllib3 import PoolManager

from django_minio_backend.uploads import DirectUpload, UploadAlreadyUsed
from django_minio_backend.uploads.tokens import Permit, Token

pytestmark = pytest.mark.django_db
MIB = 1024 * 1024
POOL = PoolManager()


@pytest.fixture
def media(configure):
    """The storage that receives uploads, in parts of 5 MiB from 5 MiB on."""
    configure(MINIO_INCOMING_PREFIX="incoming/", MINIO_MULTIPART_THRESHOLD=5 * MIB, MINIO_MULTIPART_PART_SIZE=5 * MIB)
    return storages["default"]


@pytest.fixture
def browser(media):
    """What a browser does, without one, logged in as Ada."""
    return Visitor.logged_in("ada")


class Visitor:
    def __init__(self):
        self.client = Client()

    @classmethod
    def logged_in(cls, name):
        visitor = cls()
        visitor.client.force_login(User.objects.get_or_create(username=name)[0])
        return visitor

    def settings(self, page="/documents/"):
        """What the page tells the script."""
        text = self.client.get(page).content.decode()
        found = re.search(r'data-direct-upload="([^"]*)"', text)[1]
        return json.loads(found.replace("&quot;", '"').replace("&#x27;", "'").replace("&amp;", "&"))

    def ask(self, action, **data):
        return self.client.post(f"/uploads/{action}/", data, content_type="application/json")

    def start(self, name, size, page="/documents/"):
        return self.ask("start", permit=self.settings(page)["permit"], name=name, size=size)

    def upload(self, name, content, page="/documents/"):
        """Send a file as the script does; return its token."""
        begun = self.start(name, len(content), page).json()
        if "url" in begun:
            assert post(begun, content).status == 201
            return begun["token"]
        step = begun["part_size"]
        pieces = {number: content[start : start + step] for number, start in enumerate(range(0, len(content), step), 1)}
        links = self.ask("parts", token=begun["token"], numbers=list(pieces)).json()["urls"]
        for number, piece in pieces.items():
            assert POOL.request("PUT", links[str(number)], body=piece).status == 200
        assert self.ask("complete", token=begun["token"]).status_code == 200
        return begun["token"]

    def submit(self, token, page="/documents/", name="file", **data):
        return self.client.post(page, {f"{name}-upload": token, **data})


def post(begun, content, **changed):
    fields = {**begun["fields"], **changed, "file": ("file", content)}
    return POOL.request("POST", begun["url"], fields=fields)


def errors(response):
    """The codes of what is wrong with the form."""
    return [error.code for each in response.context["form"].errors.as_data().values() for error in each]


@pytest.mark.parametrize("size", [5, 12 * MIB], ids=["in one piece", "in parts"])
def test_an_upload_becomes_the_file_of_a_row(browser, media, size):
    """What was sent to the server is saved under the field's own name, with its content, and nothing stays behind."""
    content = (b"0123456789" * (size // 10 + 1))[:size]
    answer = browser.submit(browser.upload("report.pdf", content))
    assert answer.content == b"documents/report.pdf"
    stored = Document.objects.get().file
    assert stored.size == size and stored.read() == content
    assert media.stat("documents/report.pdf").content_type == "application/pdf"
    assert list(media.client.list_objects(media.bucket, "incoming/", recursive=True)) == []


@pytest.fixture
def proxied(media, proxy, configure):
    """The same storage, with the counting proxy between Django and the server; browsers reach the server itself."""
    configure(
        MINIO_ENDPOINT=proxy.endpoint,
        MINIO_EXTERNAL_ENDPOINT=media.base_url.removeprefix("http://"),
        MINIO_EXTERNAL_ENDPOINT_USE_HTTPS=False,
        MINIO_CONDITIONAL_WRITES=True,
        MINIO_INCOMING_PREFIX="incoming/",
        MINIO_MULTIPART_THRESHOLD=5 * MIB,
    )
    return storages["default"]


def test_the_file_never_passes_through_django(proxied, proxy):
    """Saving a file of 12 MiB moves some kilobytes between Django and the file server: it is copied there."""
    visitor = Visitor.logged_in("ada")
    token = visitor.upload("film.mp4", bytes(12 * MIB))
    proxy.reset()
    assert visitor.submit(token).content == b"documents/film.mp4"
    assert proxy.methods == ["HEAD", "PUT", "PUT", "PUT", "DELETE", "DELETE"]
    assert proxy.bytes_up < 10_000 and proxy.bytes_down < 10_000


def test_a_taken_name_is_kept(browser):
    """Two uploads of one name become two files."""
    names = [browser.submit(browser.upload("same.txt", b"x%d" % number)).content.decode() for number in range(2)]
    assert names[0] != names[1]
    assert [document.file.read() for document in Document.objects.order_by("id")] == [b"x0", b"x1"]


def test_a_form_with_another_mistake_keeps_the_upload(browser):
    """The page that shows the mistake carries the upload, and sending it again saves the file."""
    token = browser.upload("a.txt", b"x")
    answer = browser.submit(token, title="far too long for a title")
    assert errors(answer) == ["max_length"]
    assert f'value="{token}"' in answer.content.decode() and "required" not in str(answer.context["form"]["file"])
    assert browser.submit(token, title="short").content == b"documents/a.txt"


def test_an_upload_is_used_once(browser):
    """A form that is sent again with the same upload is refused, and so is a second save in the same moment."""
    token = browser.upload("once.txt", b"x")
    request = browser.client.get("/documents/").wsgi_request
    form = bound(request, DocumentForm, {"file-upload": token})
    assert browser.submit(token).status_code == 200
    assert errors(browser.submit(token)) == ["upload_missing"]
    with pytest.raises(FileNotFoundError):
        form.cleaned_data["file"].read()


def bound(request, kind, data):
    from django.http import QueryDict

    from django_minio_backend.uploads.middleware import serving

    query = QueryDict(mutable=True)
    query.update(data)
    with serving(request):
        form = kind(query)
        assert form.is_valid(), form.errors
    return form


def test_two_saves_at_one_moment_are_one(browser, media):
    """Of two requests that both found the upload in order, one saves it, and the other is an error."""
    token = browser.upload("once.txt", b"x")
    request = browser.client.get("/documents/").wsgi_request
    first, second = (bound(request, DocumentForm, {"file-upload": token}) for _ in range(2))
    with first.cleaned_data["file"].taken(), pytest.raises(UploadAlreadyUsed), transaction.atomic():
        second.save()
    assert Document.objects.count() == 0


def test_a_save_that_fails_leaves_the_upload(proxied, proxy):
    """When the copy fails, the name is free again and the same upload can be saved once more; it is bound to a version."""
    conditions = []

    def refuse(request):
        if "x-amz-copy-source" not in request.headers:
            return None
        conditions.append(request.headers["x-amz-copy-source-if-match"])
        return "refuse 403"

    visitor = Visitor.logged_in("ada")
    token = visitor.upload("later.txt", b"x")
    request = visitor.client.get("/documents/").wsgi_request
    form = bound(request, DocumentForm, {"file-upload": token})
    proxy.fault = refuse
    with pytest.raises(S3Error, match="refused access"), transaction.atomic():
        form.save()
    proxy.fault = None
    assert not proxied.exists("documents/later.txt")
    assert conditions == [form.cleaned_data["file"].etag]
    document = bound(request, DocumentForm, {"file-upload": token}).save()
    assert (document.file.name, document.file.read()) == ("documents/later.txt", b"x")


def test_a_changed_token_is_refused(browser):
    """Whatever is changed in a token, its signature no longer fits."""
    token = browser.upload("a.txt", b"x")
    _, rest = token.split(":", 1)
    fields = signing.loads(token, salt=Token.salt)
    for change in fields:
        changed = signing.JSONSerializer().dumps({**fields, change: "documents/other.txt"})
        forged = f"{signing.b64_encode(changed).decode()}:{rest}"
        assert errors(browser.submit(forged)) == ["upload_unknown"]
        assert browser.ask("abort", token=forged).status_code == 403
    assert browser.submit(token).content == b"documents/a.txt"


def test_another_users_token_is_refused(browser):
    """A token is of no use to other users, to visitors who are not logged in, and for other addresses."""
    token = browser.upload("a.txt", b"x")
    for other in (Visitor.logged_in("grace"), Visitor()):
        assert errors(other.submit(token)) == ["upload_foreign"]
        for action in ("parts", "complete", "abort"):
            assert other.ask(action, token=token, numbers=[1]).status_code == 403
    assert browser.submit(token).status_code == 200


def test_another_fields_token_is_refused(browser):
    """What was uploaded for one field is refused by another, even where its limits would allow it."""
    token = browser.upload("a.png", b"x", "/documents/")
    assert errors(browser.submit(token, "/pictures/", "picture")) == ["upload_misplaced"]


def test_an_old_token_is_refused(browser, monkeypatch):
    """After a day neither the page nor the upload is good for anything."""
    permit, token = browser.settings()["permit"], browser.upload("a.txt", b"x")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 24 * 3600 + 1)
    assert browser.ask("start", permit=permit, name="a", size=1).status_code == 403
    assert browser.ask("abort", token=token).status_code == 403
    browser = Visitor.logged_in("ada")
    assert errors(browser.submit(token)) == ["upload_expired"]


def test_permits_and_tokens_do_not_stand_for_each_other(browser):
    """A permit is no token and a token no permit."""
    permit, token = browser.settings()["permit"], browser.upload("a.txt", b"x")
    assert errors(browser.submit(permit)) == ["upload_unknown"]
    assert browser.ask("start", permit=token, name="a", size=1).status_code == 403


def test_what_did_not_arrive_is_refused(browser):
    """The token alone is no file: a form sent before the upload ended shows which file is missing."""
    begun = browser.start("a.txt", 1).json()
    answer = browser.submit(begun["token"])
    assert errors(answer) == ["upload_missing"] and "“a.txt” has not arrived" in answer.content.decode()


def test_anonymous_uploads_belong_to_the_session(media):
    """A visitor who is not logged in can upload; another visitor cannot use it."""
    visitor, other = Visitor(), Visitor()
    other.upload("b.txt", b"x")
    token = visitor.upload("a.txt", b"x")
    assert errors(other.submit(token)) == ["upload_foreign"]
    assert visitor.submit(token).content == b"documents/a.txt"


def test_a_page_of_another_visitor_allows_nothing(browser):
    """A page's permit works for the user it was made for, and nobody else."""
    permit = browser.settings()["permit"]
    for other in (Visitor.logged_in("grace"), Visitor()):
        assert other.ask("start", permit=permit, name="a", size=1).status_code == 403


def test_the_server_takes_just_the_file_that_was_announced(browser, s3_service):
    """Another key, size or content type than Django signed is refused by the file server itself."""
    if not s3_service.checks_signatures:
        pytest.skip(f"{s3_service.line} takes whatever a form says")
    begun = browser.start("a.txt", 5).json()
    assert post(begun, b"longer").status == 400 and post(begun, b"less").status == 400
    assert post(begun, b"right", key="documents/other.txt").status == 403
    assert post(begun, b"right", **{"Content-Type": "text/html"}).status == 403
    assert post(begun, b"right").status == 201


def test_parts_have_just_the_size_that_was_announced(browser, s3_service):
    """A link for a part takes as many bytes as the part has, and missing parts are named at the end."""
    begun = browser.start("a.bin", 7 * MIB).json()
    links = browser.ask("parts", token=begun["token"], numbers=[1, 2]).json()["urls"]
    if s3_service.checks_signatures:
        assert POOL.request("PUT", links["2"], body=bytes(2 * MIB + 1)).status == 403
    assert POOL.request("PUT", links["2"], body=bytes(2 * MIB)).status == 200
    answer = browser.ask("complete", token=begun["token"])
    assert answer.status_code == 409 and answer.json()["missing"] == [1]
    assert browser.ask("parts", token=begun["token"], numbers=[3]).status_code == 400
    assert POOL.request("PUT", links["1"], body=bytes(5 * MIB)).status == 200
    for _ in range(2):  # the answer to the first may be lost
        assert browser.ask("complete", token=begun["token"]).status_code == 200


def test_an_aborted_upload_leaves_nothing(browser, media):
    """Parts that arrived are removed, and the token is of no use any more."""
    begun = browser.start("a.bin", 7 * MIB).json()
    links = browser.ask("parts", token=begun["token"], numbers=[2]).json()["urls"]
    assert POOL.request("PUT", links["2"], body=bytes(2 * MIB)).status == 200
    for _ in range(2):
        assert browser.ask("abort", token=begun["token"]).status_code == 200
    assert POOL.request("PUT", links["2"], body=bytes(2 * MIB)).status in {404, 500}  # moto fails over it
    answer = browser.ask("complete", token=begun["token"])
    assert answer.status_code == 409 and answer.json()["missing"] == [1, 2]
    assert errors(browser.submit(begun["token"])) == ["upload_missing"]


def test_limits_hold_before_anything_is_sent(browser):
    """A file that is too large, empty, of another type or without a name gets no place to go."""
    for name, size, said in (
        ("big.png", 2 * MIB, "at most 1.0"),
        ("page.html", 10, "image/*"),
        ("picture", 10, "image/*"),
        ("empty.png", 0, "is empty"),
        ("../..", 10, "needs a name"),
    ):
        answer = browser.start(name, size, "/pictures/")
        assert answer.status_code == 400 and said in answer.json()["error"].replace("\xa0", " ")


def test_names_are_cleaned(browser):
    """Folders, control characters and markup in a name are dropped, as from Django's own uploads."""
    for name, kept in (
        ("../../etc/passwd", "passwd"),
        ("C:\\users\\ada\\a b.txt", "a_b.txt"),
        ("évil\x00\r\n.txt", "évil.txt"),
        ("<b>.txt", "b.txt"),
    ):
        assert browser.submit(browser.upload(name, b"x")).content.decode() == f"documents/{kept}"


def test_active_types_are_downloads(browser, media):
    """A page that was uploaded is stored to be downloaded, whatever the browser says it is."""
    browser.submit(browser.upload("page.html", b"<script>"))
    head = media._head("documents/page.html")
    assert (head["content-type"], head["content-disposition"]) == ("text/html", "attachment")


def test_other_sites_cannot_upload_in_a_users_name(browser):
    """Each address refuses requests without the form's secret."""
    browser.client.handler.enforce_csrf_checks = True
    for action in ("start", "parts", "complete", "abort"):
        assert browser.ask(action).status_code == 403


def test_nonsense_is_refused(browser):
    """What is no JSON object with a signed text is a clear refusal and no error of the server."""
    nonsense = ("[]", "nonsense", '{"permit": 5}', '{"token": null}')
    for action, data in itertools.product(("start", "parts", "complete", "abort"), nonsense):
        answer = browser.client.post(f"/uploads/{action}/", data, content_type="application/json")
        assert answer.status_code in {400, 403} and answer.json()["error"]


def test_without_javascript_the_file_goes_through_django(browser):
    """A plain form upload is saved as ever, and held to the same limits."""
    answer = browser.client.post("/documents/", {"file": SimpleUploadedFile("plain.txt", b"plain")})
    assert answer.content == b"documents/plain.txt"
    for file, code in ((("big.png", bytes(MIB + 1)), "max_size"), (("a.txt", b"x"), "content_type")):
        answer = browser.client.post("/pictures/", {"picture": SimpleUploadedFile(*file)})
        assert errors(answer) == [code]


def test_several_files(browser):
    """A field for several files takes uploads, plain files, or both, each upload once, up to its number."""
    tokens = [browser.upload(f"{number}.txt", b"x", "/albums/") for number in range(3)]
    plain = [SimpleUploadedFile(f"plain{number}.txt", b"x") for number in range(2)]
    answer = browser.client.post("/albums/", {"pictures-upload": tokens[:1], "pictures": plain[0]})
    assert answer.content == b"0.txt, plain0.txt"
    plain[0].seek(0)
    assert browser.client.post("/albums/", {"pictures": plain}).content == b"plain0.txt, plain1.txt"
    assert errors(browser.client.post("/albums/", {"pictures-upload": tokens})) == ["too_many"]
    assert errors(browser.client.post("/albums/", {"pictures-upload": tokens[:1] * 2})) == ["upload_twice"]
    assert errors(browser.client.post("/albums/", {"save": "yes"})) == ["required"]


def test_an_optional_field_may_stay_empty(browser):
    """Nothing chosen is None, and an upload together with the wish to clear is a contradiction."""
    assert browser.client.post("/pictures/", {"save": "yes"}).content == b"None"
    token = browser.upload("a.png", b"x", "/pictures/")
    answer = browser.submit(token, "/pictures/", "picture", **{"picture-clear": "on"})
    assert errors(answer) == ["contradiction"]


def test_another_storage_gets_the_bytes(browser, tmp_path, media):
    """A storage that is not on the server reads the upload like any file."""
    token = browser.upload("a.png", b"content", "/pictures/")
    request = browser.client.get("/pictures/").wsgi_request
    upload = bound(request, PictureForm, {"picture-upload": token}).cleaned_data["picture"]
    assert isinstance(upload, DirectUpload) and upload.size == 7 and upload.content_type == "image/png"
    disk = FileSystemStorage(tmp_path)
    assert (tmp_path / disk.save(upload.name, upload)).read_bytes() == b"content"
    upload.discard()
    assert errors(browser.submit(token, "/pictures/", "picture")) == ["upload_missing"]


def test_parts_on_every_page_are_seen(configure, proxy):
    """The server's list of parts is followed to its end: of a missing part nothing but that part is asked for again."""
    parts = {"MINIO_MULTIPART_THRESHOLD": 5 * MIB, "MINIO_MULTIPART_PART_SIZE": 5 * MIB}
    configure(MINIO_INCOMING_PREFIX="incoming/", MINIO_ENDPOINT=proxy.endpoint, **parts)
    proxy.fault = lambda request: "short pages" if "part-number-marker" in request.path else None
    ada = Visitor.logged_in("ada")
    token = ada.start("large.bin", 10 * MIB + 1).json()["token"]
    links = ada.ask("parts", token=token, numbers=[1, 2, 3]).json()["urls"]
    bodies = {1: bytes(5 * MIB), 2: bytes(5 * MIB), 3: b"x"}
    for number in (1, 3):
        assert POOL.request("PUT", links[str(number)], body=bodies[number]).status == 200
    refused = ada.ask("complete", token=token)
    assert (refused.status_code, refused.json()["missing"]) == (409, [2])
    assert POOL.request("PUT", links["2"], body=bodies[2]).status == 200
    assert ada.ask("complete", token=token).status_code == 200
    assert sum("part-number-marker" in path for _, path, _ in proxy.requests) == 2 + 3


def test_large_copies_go_in_parts(browser, media, monkeypatch):
    """Beyond what a server copies in one request, the copy is made of ranges."""
    from django_minio_backend import copying
    from django_minio_backend.multipart import Parts

    monkeypatch.setattr(copying, "_LARGEST_COPY", 6 * MIB)
    monkeypatch.setattr(copying, "_PART", Parts(5 * MIB))
    content = bytes(range(256)) * (12 * 4096)
    assert browser.submit(browser.upload("large.bin", content)).content == b"documents/large.bin"
    assert media.open("documents/large.bin").read() == content
    assert media.stat("documents/large.bin").etag.endswith("-3")


def test_the_page_carries_no_secret(browser, server_options):
    """Neither the page nor a token holds a key of the server; links name the access key, as signatures do."""
    text = browser.client.get("/documents/").content.decode() + browser.upload("a.txt", b"x")
    decoded = str(signing.loads(browser.settings()["permit"], salt=Permit.salt))
    for name in ("MINIO_SECRET_KEY", "MINIO_ACCESS_KEY"):
        assert server_options[name] not in text + decoded
    assert server_options["MINIO_SECRET_KEY"] not in browser.start("a.bin", 7 * MIB).content.decode()


def test_nothing_is_inline(browser):
    """A content security policy may forbid inline scripts and styles."""
    text = browser.client.get("/documents/").content.decode()
    assert "<script>" not in text and "style=" not in text and "onclick" not in text


def test_outside_of_a_request_the_input_is_a_plain_one(media):
    """A form that is rendered for nobody shows Django's own input; a token without a request is a clear error."""
    assert "data-direct-upload" not in str(AlbumForm()["pictures"])
    with pytest.raises(ImproperlyConfigured, match="direct_uploads"):
        DocumentForm({"file-upload": "token"}).is_valid()


def test_a_storage_that_receives_nothing_is_named(configure):
    """Without MINIO_INCOMING_PREFIX the page says what to write, and where."""
    configure()
    with pytest.raises(ImproperlyConfigured, match=r'STORAGES\["default"\].*MINIO_INCOMING_PREFIX'):
        Visitor().settings()


def test_other_widgets_are_refused():
    """The field cannot work with the admin's file widget, and says which one it needs."""
    from django.contrib.admin.widgets import AdminFileWidget

    from django_minio_backend.uploads import DirectUploadField

    with pytest.raises(ImproperlyConfigured, match="AdminFileWidget"):
        DirectUploadField(widget=AdminFileWidget)


def test_the_admin_takes_uploads(browser):
    """A model admin with the field in formfield_overrides saves an upload, and shows the file afterwards."""
    User.objects.filter(username="ada").update(is_staff=True, is_superuser=True)
    token = browser.upload("a.txt", b"x", "/admin/library/document/add/")
    answer = browser.submit(token, "/admin/library/document/add/")
    assert answer.status_code == 302
    document = Document.objects.get()
    assert document.file.name == "documents/a.txt"
    page = browser.client.get(f"/admin/library/document/{document.pk}/change/").content.decode()
    assert "documents/a.txt" in page and "Currently" in page
