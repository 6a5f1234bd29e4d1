"""The release of the minio package: refused at import where nothing could work."""

from __future__ import annotations

import minio

__all__ = ["UNUSABLE"]

UNUSABLE = ("7.2.19",)
"""Releases whose functions take other arguments than those before and after them."""

if minio.__version__ in UNUSABLE:
    raise ImportError(
        f"django_minio_backend does not work with minio {minio.__version__}, which takes other arguments than the "
        "releases before and after it. Install another one: pip install 'minio!=7.2.19'"
    )
