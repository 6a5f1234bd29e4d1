"""System checks of direct uploads: what has to be there where an entry of STORAGES receives files from browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  Django's own name
from django.core.files.storage import storages as configured
from django.urls import NoReverseMatch, reverse

from django_minio_backend.configured import configured_options
from django_minio_backend.errors import ConfigurationError
from django_minio_backend.options import OURS
from django_minio_backend.uploads.middleware import PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_minio_backend.declarations import BucketDeclaration
    from django_minio_backend.models import MinioBackend

__all__ = ["check_uploads"]

_METHODS = {"POST", "PUT"}


def check_uploads(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001  the checks' signature
    """Return what is missing for the entries with MINIO_INCOMING_PREFIX."""
    try:
        receiving = [one for one in configured_options() if one.get("MINIO_INCOMING_PREFIX")]
        storages = [cast("MinioBackend", configured[one.alias]) for one in receiving]
    except ConfigurationError:
        return []  # the check of the settings says so
    return [*_parts_of_project(), *(found for one in storages for found in _bucket(one))] if storages else []


def _parts_of_project() -> Iterator[CheckMessage]:
    if PATH not in settings.MIDDLEWARE:
        yield Error(
            "Uploads from browsers cannot be bound to their users.",
            hint=f"Add {PATH!r} to MIDDLEWARE, after those of sessions and authentication.",
            id=f"{OURS}E003",
        )
    try:
        reverse("django_minio_backend_uploads:start")
    except NoReverseMatch:
        yield Error(
            "Browsers cannot ask where to upload.",
            hint='Add path("uploads/", include("django_minio_backend.uploads.urls")) to the urlpatterns.',
            id=f"{OURS}E004",
        )


def _bucket(storage: MinioBackend) -> Iterator[CheckMessage]:
    bucket, prefix = storage.bucket, storage.options.get("MINIO_INCOMING_PREFIX")
    declared = storage.bucket_declarations().get(bucket)
    if not _allows_browsers(declared):
        yield Warning(
            f'No CORS is declared for the bucket "{bucket}" that lets pages upload into it.',
            hint=f'Write "MINIO_BUCKETS": {{"{bucket}": {{"cors": [{{"origins": ["https://www.example.org"], '
            '"methods": ["POST", "PUT"], "headers": ["*"]}]}} with the address of your site, and run '
            "initialize_buckets. If the server allows every origin by itself, silence this check.",
            id=f"{OURS}W003",
        )
    if not _tidies_up(declared, prefix):
        yield Warning(
            f'No lifecycle is declared that removes abandoned uploads from "{prefix}" of the bucket "{bucket}".',
            hint=f'Write "MINIO_BUCKETS": {{"{bucket}": {{"lifecycle": [{{"prefix": "{prefix}", "expire_days": 2, '
            '"abort_uploads_days": 2}]}}, and run initialize_buckets.',
            id=f"{OURS}W004",
        )
    if storage.is_bucket_public:
        yield Warning(
            f'The bucket "{bucket}" that receives uploads is public: anyone who learns an address can read a file '
            "before it is saved.",
            hint="Receive uploads in a private bucket; they are copied to the bucket of the field that saves them.",
            id=f"{OURS}W005",
        )


def _allows_browsers(declared: BucketDeclaration | None) -> bool:
    methods = {method for rule in (declared and declared.cors) or () for method in rule.methods}
    return methods >= _METHODS


def _tidies_up(declared: BucketDeclaration | None, prefix: str) -> bool:
    rules = [
        rule for rule in (declared and declared.lifecycle) or () if rule.enabled and prefix.startswith(rule.prefix)
    ]
    return any(rule.expire_days for rule in rules) and any(rule.abort_uploads_days for rule in rules)
