"""collectstatic into a bucket, with and without a manifest."""

import pytest
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.files.storage import storages
from django.core.management import call_command
from django.templatetags.static import static

from django_minio_backend import MinioBackendStatic


class ManifestStatic(ManifestFilesMixin, MinioBackendStatic):
    """The documented way to hashed names."""


@pytest.fixture
def site(configure, settings, new_bucket, tmp_path):
    """A project with two static files and a bucket for them."""
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "site.css").write_text("body { background: url(../logo.svg) }")
    (tmp_path / "logo.svg").write_text("<svg/>")
    settings.STATICFILES_DIRS = [tmp_path]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    configure(static={"MINIO_STATIC_FILES_BUCKET": new_bucket("static")})
    return tmp_path


def test_static_files_are_served_from_the_bucket(site, anonymous):
    """After initialize_buckets and collectstatic, {% static %} links open for anyone."""
    call_command("initialize_buckets", silenced=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    assert anonymous(static("logo.svg")) == (200, b"<svg/>")
    assert anonymous(static("css/site.css"))[0] == 200


def test_a_second_collectstatic_copies_nothing(site, capsys):
    """Unchanged files are recognised by their modification time."""
    call_command("initialize_buckets", silenced=True)
    call_command("collectstatic", interactive=False)
    assert "2 static files copied" in capsys.readouterr().out
    call_command("collectstatic", interactive=False)
    assert "0 static files copied, 2 unmodified" in capsys.readouterr().out


def test_hashed_names_and_their_manifest_work(site, settings, anonymous):
    """With ManifestFilesMixin names carry hashes, links inside CSS are rewritten, and the manifest is stored."""
    entry = {**settings.STORAGES["staticfiles"], "BACKEND": f"{__name__}.ManifestStatic"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": entry}
    call_command("initialize_buckets", silenced=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    css = storages["staticfiles"].stored_name("css/site.css")
    logo = storages["staticfiles"].stored_name("logo.svg")
    assert css != "css/site.css" and logo != "logo.svg"
    status, body = anonymous(static("css/site.css"))
    assert status == 200 and logo.encode() in body
    assert "staticfiles.json" in storages["staticfiles"].listdir("")[1]
    call_command("collectstatic", interactive=False, verbosity=0)
    assert storages["staticfiles"].stored_name("css/site.css") == css
