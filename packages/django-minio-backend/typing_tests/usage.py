"""A project's code as its author would write it, for mypy --strict and pyright."""

from datetime import timedelta

from django import forms
from django.core.files.base import ContentFile
from django_minio_backend import (
    DjangoMinioBackendConfig,
    MinioBackend,
    MinioBackendStatic,
    get_iso_date,
    iso_date_prefix,
)
from django_minio_backend.models import S3File
from django_minio_backend.uploads import (
    DirectUpload,
    DirectUploadField,
    MultipleDirectUploadField,
    MultipleDirectUploadInput,
)
from django_minio_backend.utils import ConfigurationError, MinioServerStatus, PrivatePublicMixedError, get_setting

storage = MinioBackend(bucket_name="documents", replace_existing=True, metadata={"Cache-Control": "max-age=60"})
static = MinioBackendStatic()

name: str = storage.save("report.txt", ContentFile("text"), max_length=100)
size: int = storage.size(name)
there: bool = storage.exists(name)
link: str = storage.url(name, expires=timedelta(minutes=5), response_headers={"response-content-type": "text/plain"})
short: str = static.url("site.css", expires=60)
folders, files = storage.listdir("reports")
first: str = files[0]
public: bool = storage.is_bucket_public
buckets: list[str] = storage.PRIVATE_BUCKETS
status: MinioServerStatus = storage.is_minio_available(timeout=2.0)
details: str = status.details
today: str = get_iso_date()
path: str = iso_date_prefix(None, "report.txt")
app: type[DjangoMinioBackendConfig] = DjangoMinioBackendConfig
endpoint: str = get_setting("MINIO_ENDPOINT", "localhost:9000")


def read(at: MinioBackend) -> S3File | None:
    """Opens a file, or explains why not."""
    try:
        return S3File(at, "report.txt")
    except FileNotFoundError:
        return None
    except (ConfigurationError, PrivatePublicMixedError) as error:
        raise SystemExit(str(error)) from error


async def read_later(at: MinioBackend) -> bytes:
    """Reads in a coroutine, both ways of opening."""
    name: str = await at.asave("later.txt", ContentFile("text"))
    file = await at.aopen(name)
    start: bytes = await file.read(1)
    await file.aclose()
    async with at.aopen(name) as again:
        return start + b"".join([block async for block in again])


class FilmForm(forms.Form):
    """Takes a film and pictures of it, past Django."""

    film = DirectUploadField(max_size=20 * 1024**3, content_types=["video/*"], lifetime=timedelta(hours=12))
    pictures = MultipleDirectUploadField(storage="pictures", max_files=3, widget=MultipleDirectUploadInput(parallel=2))


def drop(upload: DirectUpload) -> tuple[str | None, int, str | None]:
    """Says what was uploaded, and does not keep it."""
    upload.discard()
    return upload.name, upload.size, upload.content_type
