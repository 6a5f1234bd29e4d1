"""Measures one storage package in the environment it runs in; `bench_django_minio_backend.py` starts it and asks.

One JSON object a line: `{"case": ..., "times": ...}` is answered with the seconds that took, `{"memory": ...}` with
the growth of the process's peak memory in bytes. It speaks only what django-minio-backend 4.5.0 has as well, so the
same file measures both, and what django-storages has is Django's interface of storages.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from pathlib import Path

import django
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile

MB = 1_000_000
COUNTER = itertools.count()
CHUNK = 64 * 1024


def storage_of(package, options):
    """Return the storage that is measured, on the bucket that the options name."""
    return (django_storages if package == "django-storages" else django_minio_backend)(options)


def django_storages(options):
    """Return the storage of django-storages, which overwrites files unless it is told what the others do."""
    settings.configure(USE_TZ=True)
    django.setup()
    from storages.backends.s3 import S3Storage

    return S3Storage(
        endpoint_url=f"{'https' if options['MINIO_USE_HTTPS'] else 'http'}://{options['MINIO_ENDPOINT']}",
        access_key=options["MINIO_ACCESS_KEY"],
        secret_key=options["MINIO_SECRET_KEY"],
        region_name=options["MINIO_REGION"],
        bucket_name=options["MINIO_DEFAULT_BUCKET"],
        addressing_style="path",
        file_overwrite=False,
    )


def django_minio_backend(options):
    """Return the storage of django-minio-backend, this one or that of the package index."""
    settings.configure(
        USE_TZ=True,
        INSTALLED_APPS=["django_minio_backend"],
        STORAGES={
            "default": {"BACKEND": "django_minio_backend.models.MinioBackend", "OPTIONS": options},
            # 4.5.0 demands the entry.
            "staticfiles": {
                "BACKEND": "django_minio_backend.models.MinioBackendStatic",
                "OPTIONS": {**options, "MINIO_STATIC_FILES_BUCKET": "unused"},
            },
        },
    )
    django.setup()
    from django_minio_backend.models import MinioBackend

    return MinioBackend(bucket_name=options["MINIO_DEFAULT_BUCKET"])


def url(storage, times):
    """Make presigned addresses."""
    for number in range(times):
        storage.url(f"2026/11/{number}.pdf")


def save(size):
    """Return a case that saves new files of `size` bytes."""
    content = os.urandom(size)

    def run(storage, times):
        for _ in range(times):
            storage.save(f"{os.getpid()}/{size}/{next(COUNTER)}", ContentFile(content))

    return run


def read(size):
    """Return a case that opens and reads a file of `size` bytes."""
    content = os.urandom(size)
    names = {}

    def run(storage, times):
        name = names.get("it") or names.setdefault(
            "it", storage.save(f"{os.getpid()}/read-{size}", ContentFile(content))
        )
        for _ in range(times):
            with storage.open(name) as file:
                assert file.read() == content

    return run


CASES = {"url": url, "save 1 KB": save(1000), "save 1 MB": save(MB), "read 1 KB": read(1000), "read 1 MB": read(MB)}


def measured(storage, case, times):
    """Return the seconds that a case takes."""
    CASES[case](storage, 1 if case.startswith("read") else 0)
    started = time.perf_counter()
    CASES[case](storage, times)
    return time.perf_counter() - started


def peak():
    """Return the most memory this process has had, in bytes; getrusage() would begin with its parent's peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def grown(storage, what, path):
    """Return by how many bytes the peak memory grows when the file at `path` is saved, read, or opened for 1 KB."""
    before = peak()
    if what == "save":
        with Path(path).open("rb") as file:
            storage.save("large", File(file))
    else:
        with storage.open("large") as file:
            size = 1024 if what == "first" else None
            total = len(file.read(size)) if size else sum(len(block) for block in file.chunks(CHUNK))
        assert total == (size or Path(path).stat().st_size)
    return peak() - before


def main():
    """Answer orders until the input ends."""
    storage = storage_of(sys.argv[1], json.loads(sys.argv[2]))
    storage.open(storage.save(f"{os.getpid()}/warm", ContentFile(b"x" * MB))).read()
    for line in sys.stdin:
        order = json.loads(line)
        answer = grown(storage, **order["memory"]) if "memory" in order else measured(storage, **order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
