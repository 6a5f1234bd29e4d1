"""What the catalogue stores beside the events: where files are, and the search projection."""

from typing import Final

from django.conf import settings
from django.db import models

from django_minio_backend import MinioBackend
from portal.settings import catalogue_settings

IS_RELEASE_2: Final = settings.CATALOGUE_RELEASE >= 2
DEPOSITOR: Final = "depositor" if IS_RELEASE_2 else "registered_by"
"""The field of `SearchEntry` that names who deposited a data set: release 2 renames it."""


def private_files() -> MinioBackend:
    """Storage of the data files; only signed links open them."""
    return MinioBackend(bucket_name=catalogue_settings().private_bucket)


def public_previews() -> MinioBackend:
    """Storage of the previews of approved data sets; writing one again replaces it."""
    return MinioBackend(bucket_name=catalogue_settings().preview_bucket, replace_existing=True)


class DataFile(models.Model):
    """A deposited file. Its row and the event that registers it are written in one transaction."""

    file = models.FileField(storage=private_files, max_length=300)
    sha256 = models.CharField(max_length=64)
    uploaded_by = models.CharField(max_length=64)
    uploaded_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.file.name)


class SearchEntry(models.Model):
    """One data set as the search sees it; written by the follower, never by a view.

    One checkout holds both releases so that a rollout can be played: each selects and writes its own columns only.
    """

    dataset_id = models.UUIDField(primary_key=True)
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True, default="")
    keywords = models.CharField(max_length=400, blank=True, default="")
    state = models.CharField(max_length=20, db_index=True)
    file_size = models.BigIntegerField()
    row_count = models.IntegerField()
    registered_at = models.DateTimeField()
    indexed_by = models.IntegerField(help_text="process id of the follower that wrote this row last")
    if IS_RELEASE_2:
        licence = models.CharField(max_length=40, default="")
        depositor = models.CharField(max_length=64)
    else:
        registered_by = models.CharField(max_length=64)

    class Meta:
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title

    @property
    def deposited_by(self) -> str:
        """Who deposited the data set."""
        return str(getattr(self, DEPOSITOR))

    @property
    def keyword_list(self) -> list[str]:
        """The keywords one by one."""
        return [word for word in self.keywords.split(", ") if word]
