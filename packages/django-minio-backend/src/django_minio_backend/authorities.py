"""The certificate authorities that are trusted in place of the system's: the file that SSL_CERT_FILE names."""

from __future__ import annotations

import os
import ssl

from pentad_config import Problem

__all__ = ["authorities_file", "authorities_problem"]

_VARIABLE = "SSL_CERT_FILE"


def authorities_file() -> str | None:
    """Return the file's path, or None where the system's authorities are trusted."""
    return os.environ.get(_VARIABLE) or None


def authorities_problem() -> Problem | None:
    """Return what is wrong with the file, or None: without it a connection fails, and only at the first file."""
    file = authorities_file()
    if file is None:
        return None
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return Problem(_VARIABLE, f"{file} holds no certificates in PEM format.")
    except OSError as error:
        return Problem(_VARIABLE, f"{file} cannot be read: {error.strerror}.")
    return None
