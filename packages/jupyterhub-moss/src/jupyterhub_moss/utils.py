"""The small functions under the import path that configurations know; each lives in the module of its topic."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from jupyterhub_moss.environment import create_prologue
from jupyterhub_moss.files import file_hash, local_path
from jupyterhub_moss.gres import parse_gpu_resource
from jupyterhub_moss.timelimit import parse_timelimit

__all__ = ["create_prologue", "file_hash", "find", "local_path", "parse_gpu_resource", "parse_timelimit"]

T = TypeVar("T")


def find(function: Callable[[T], object], collection: Iterable[T]) -> T | None:
    """The first element for which `function` is true, or None."""
    return next((element for element in collection if function(element)), None)
