"""What to install for parts of the package that need more than its own dependencies."""

from __future__ import annotations

import contextlib
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["from_extra"]


@contextlib.contextmanager
def from_extra(extra: str) -> Iterator[None]:
    """Import inside of it what an extra of this package installs; a ModuleNotFoundError then names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        text = f"{error.msg}. Install what this part needs: pip install 'pentad-starsessions[{extra}]'"
        raise ModuleNotFoundError(text, name=error.name) from error
