"""`manage.py collectstatic`, which sends only what a bucket does not hold yet, several files at a time.

Django takes a command from the first app of INSTALLED_APPS that has it: this one counts where
`django_minio_backend` stands before `django.contrib.staticfiles`. Storages of others are treated as Django does.
"""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.management.commands import collectstatic

from django_minio_backend.progress import ProgressBar
from django_minio_backend.static import MinioBackendStatic


class Command(collectstatic.Command):
    """Django's command, with one listing of the bucket in place of two questions per file."""

    def collect(self) -> dict[str, list[str]]:
        """Perform the work; with a storage of ours inside one `collecting()` block."""
        storage = self.storage
        if not isinstance(storage, MinioBackendStatic):
            return self._collected()
        if self.clear:  # what is cleared shall be uploaded anew, so it is gone before the listing
            self.clear_dir("")
            self.clear = False
        with ProgressBar(self.stdout, "Uploading") as bar, storage.collecting(bar if self.verbosity else _silence):
            return self._collected()

    def _collected(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = super().collect()
        return found

    def clear_dir(self, path: str) -> None:
        """Delete all files below `path`: with a storage of ours those of one listing."""
        storage = self.storage
        if not isinstance(storage, MinioBackendStatic):
            super().clear_dir(path)
            return
        for name in storage.listdir(path, recursive=True)[1]:
            self.log(f"{'Pretending to delete' if self.dry_run else 'Deleting'} '{name}'", level=1)
            if not self.dry_run:
                storage.delete(name)

    def delete_file(self, path: str, prefixed_path: str, source_storage: Any) -> bool:
        """Tell whether the file must be copied: if the bucket's one has another content, whatever their times."""
        storage = self.storage
        if not isinstance(storage, MinioBackendStatic):
            return bool(super().delete_file(path, prefixed_path, source_storage))
        with source_storage.open(path) as file:
            if not storage.holds(prefixed_path, file):
                return True
        if prefixed_path not in self.unmodified_files:
            self.unmodified_files.append(prefixed_path)
        self.log(f"Skipping '{path}' (not modified)")
        return False

    def copy_file(self, path: str, prefixed_path: str, source_storage: Any) -> None:
        """Copy the file if it must be, and tell a storage of ours where its content can be read again."""
        super().copy_file(path, prefixed_path, source_storage)
        if isinstance(self.storage, MinioBackendStatic):
            self.storage.collected_from(prefixed_path, lambda: source_storage.open(path))


def _silence(done: int, begun: int) -> None:
    """Show nothing."""
