"""collectstatic into a bucket, with and without a manifest."""

import io
import os
import threading

import pytest
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.files.storage import storages
from django.core.management import call_command, get_commands
from django.core.management.base import OutputWrapper
from django.templatetags.static import static
from minio.error import S3Error

from django_minio_backend import MinioBackendStatic
from django_minio_backend.checks import check_settings
from django_minio_backend.progress import ProgressBar


class ManifestStatic(ManifestFilesMixin, MinioBackendStatic):
    """The documented way to hashed names."""


@pytest.fixture
def site(configure, settings, new_bucket, tmp_path, proxy):
    """A project with two static files and a bucket for them."""
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "site.css").write_text("body { background: url(../logo.svg) }")
    (tmp_path / "logo.svg").write_text("<svg/>")
    settings.STATICFILES_DIRS = [tmp_path]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    configure(static={"MINIO_STATIC_FILES_BUCKET": new_bucket("static"), "MINIO_ENDPOINT": proxy.endpoint})
    call_command("initialize_buckets", silenced=True)
    return tmp_path


def collect(proxy=None, **options):
    """Run collectstatic; return the last line it says, and how many requests the proxy saw."""
    if proxy is not None:
        proxy.reset()
    said = io.StringIO()
    call_command("collectstatic", interactive=False, stdout=said, **options)
    return said.getvalue().strip().splitlines()[-1], proxy and len(proxy.methods)


def test_static_files_are_served_from_the_bucket(site, anonymous):
    """After initialize_buckets and collectstatic, {% static %} links open for anyone."""
    collect()
    assert anonymous(static("logo.svg")) == (200, b"<svg/>")
    assert anonymous(static("css/site.css"))[0] == 200


def test_the_requests_of_collectstatic(site, proxy):
    """First run: a listing and one request a file; nothing changed: the listing; one changed: two.

    PENTAD_STATIC_FILES sets the number of files; 60 by default.
    """
    count = int(os.environ.get("PENTAD_STATIC_FILES", "60"))
    for number in range(count - 2):
        (site / f"{number}.txt").write_text(f"file {number}")
    assert collect(proxy) == (f"{count} static files copied.", count + 1)
    assert collect(proxy) == (f"0 static files copied, {count} unmodified.", 1)
    (site / "0.txt").write_text("changed")
    assert collect(proxy) == (f"1 static file copied, {count - 1} unmodified.", 2)


def test_files_are_compared_by_content_not_time(site, proxy, sdk, settings):
    """A fresh checkout with new times uploads nothing; an older file of the same size with another content does."""
    collect()
    for path in site.rglob("*.*"):
        os.utime(path, (2**31, 2**31))
    assert collect(proxy)[1] == 1
    (site / "logo.svg").write_text("<SVG/>")
    os.utime(site / "logo.svg", (0, 0))
    assert collect(proxy)[1] == 2
    bucket = settings.STORAGES["staticfiles"]["OPTIONS"]["MINIO_STATIC_FILES_BUCKET"]
    assert sdk.get_object(bucket, "logo.svg").read() == b"<SVG/>"


def test_large_static_files_are_compared_too(site, proxy):
    """A file that is uploaded in parts is recognised by the etag of its parts."""
    (site / "large.bin").write_bytes(os.urandom(6_000_000))
    parts = {"MINIO_MULTIPART_UPLOAD": True, "MINIO_MULTIPART_THRESHOLD": 2**20, "MINIO_MULTIPART_PART_SIZE": 5 * 2**20}
    storage = MinioBackendStatic(**storages["staticfiles"]._kwargs, **parts)
    with storage.collecting(), (site / "large.bin").open("rb") as file:
        assert not storage.holds("large.bin", file)
        storage.save("large.bin", file)
    proxy.reset()
    with storage.collecting(), (site / "large.bin").open("rb") as file:
        assert storage.holds("large.bin", file)
        storage.save("large.bin", file)
    assert proxy.methods == ["GET"]


def test_clear_uploads_everything_anew(site):
    """With --clear what is in the bucket is deleted first, also what no file stands for any more."""
    collect()
    storages["staticfiles"].save("stale.txt", io.BytesIO(b"old"))
    assert collect(clear=True)[0] == "2 static files copied."
    assert storages["staticfiles"].listdir("") == (["css"], ["logo.svg"])


def test_a_dry_run_changes_nothing(site, proxy):
    """With --dry-run the bucket is listed and left as it is."""
    assert collect(proxy, dry_run=True) == ("2 static files copied.", 1)
    assert storages["staticfiles"].listdir("") == ([], [])


def test_an_upload_that_fails_ends_the_command(site, proxy):
    """The error of one of the uploads arrives, and the storage asks the server again afterwards."""
    proxy.fault = lambda request: "refuse 403" if request.command == "PUT" else None
    with pytest.raises(S3Error, match="AccessDenied"):
        collect()
    proxy.fault = None
    assert storages["staticfiles"].exists("logo.svg") is False


def test_the_storage_answers_from_the_listing(site, proxy):
    """Inside collecting() files are there as soon as they are saved, gone when deleted, and can be opened."""
    storage = storages["staticfiles"]
    storage.save("old.txt", io.BytesIO(b"old"))
    storage.save("kept.txt", io.BytesIO(b"same"))
    with storage.collecting():
        proxy.reset()
        storage.delete("old.txt")
        storage.delete("kept.txt")
        storage.save("kept.txt", io.BytesIO(b"same"))
        assert not storage.exists("old.txt") and storage.exists("kept.txt") and storage.size("kept.txt") == 4
        assert storage.get_modified_time("kept.txt")
        with pytest.raises(FileNotFoundError):
            storage.size("old.txt")
        with pytest.raises(FileNotFoundError):
            storage.open("old.txt")
        assert proxy.methods == []
        storage.save("new.txt", io.BytesIO(b"new"))
        assert storage.open("new.txt").read() == b"new"
    assert sorted(proxy.methods) == ["DELETE", "GET", "PUT"]
    assert storage.listdir("") == ([], ["kept.txt", "new.txt"])


def test_uploads_run_side_by_side(site, proxy):
    """Several files are on their way at once."""
    storage, together = storages["staticfiles"], threading.Barrier(4)

    started = []
    proxy.before = lambda request: started.append(together.wait(300)) if request.command == "PUT" else None
    with storage.collecting():
        for number in range(4):
            storage.save(f"{number}", io.BytesIO(b"x"))
    assert sorted(started) == [0, 1, 2, 3]


def test_the_progress_is_shown_on_a_terminal_only():
    """The bar shows files done and begun in one line of a terminal, and writes nothing elsewhere."""
    terminal, file = io.StringIO(), io.StringIO()
    terminal.isatty = lambda: True
    for stream in (terminal, file):
        with ProgressBar(OutputWrapper(stream), "Uploading") as bar:
            bar(1, 2)
    assert terminal.getvalue() == "\rUploading [###############---------------] 1/2\n" and file.getvalue() == ""


def test_another_storage_is_collected_as_ever(settings, tmp_path):
    """With static files in a folder the command does what Django's own does, also links."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "a.txt").write_text("a")
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [source], target
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}
    call_command("collectstatic", interactive=False, verbosity=0, link=True)
    assert (target / "a.txt").is_symlink()
    call_command("collectstatic", interactive=False, verbosity=0)
    assert (target / "a.txt").read_text() == "a" and not (target / "a.txt").is_symlink()


def test_the_order_of_apps_is_checked(site, settings):
    """If Django's own collectstatic is in front, a system check says how to change that."""
    assert [found for found in check_settings(None) if found.id.endswith("W002")] == []
    get_commands.cache_clear()
    settings.INSTALLED_APPS = ["django.contrib.staticfiles", "django_minio_backend", "library"]
    (warning,) = [found for found in check_settings(None) if found.id.endswith("W002")]
    get_commands.cache_clear()
    assert "INSTALLED_APPS" in warning.hint


def test_hashed_names_and_their_manifest_work(site, settings, anonymous, proxy):
    """With ManifestFilesMixin names carry hashes, links inside CSS are rewritten, and the manifest is stored."""
    entry = {**settings.STORAGES["staticfiles"], "BACKEND": f"{__name__}.ManifestStatic"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": entry}
    collect()
    css = storages["staticfiles"].stored_name("css/site.css")
    logo = storages["staticfiles"].stored_name("logo.svg")
    assert css != "css/site.css" and logo != "logo.svg"
    status, body = anonymous(static("css/site.css"))
    assert status == 200 and logo.encode() in body
    assert "staticfiles.json" in storages["staticfiles"].listdir("")[1]
    proxy.reset()
    collect()
    assert storages["staticfiles"].stored_name("css/site.css") == css
    assert proxy.methods == ["GET"], "the manifest was loaded before, and nothing changed"
