"""Find a secret's value in the attributes of objects: for tests of code that holds secrets."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def exposures(root: object, value: str, package: str) -> list[str]:
    """Return where `value` stands as plain text or bytes: `.attribute[key]...` below `root`.

    Attributes of objects of `package`, slots included, are followed, and dictionaries, lists, tuples and sets.
    What another package holds, a library's client or pentad_config itself, is not searched.
    """
    found: list[str] = []
    waiting, seen = [("", root)], {id(root)}
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, (str, bytes)):
            text = item.decode("latin-1") if isinstance(item, bytes) else item
            found += [path] if value in text else []
            continue
        for step, child in _children(item, package):
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append((path + step, child))
    return sorted(found)


def _children(item: Any, package: str) -> Iterator[tuple[str, object]]:
    if isinstance(item, dict):
        yield from ((f"[{number}]", part) for number, pair in enumerate(item.items()) for part in pair)
    elif isinstance(item, (list, tuple, set, frozenset)):
        yield from ((f"[{number}]", part) for number, part in enumerate(item))
    elif type(item).__module__.partition(".")[0] == package:
        yield from ((f".{name}", part) for name, part in getattr(item, "__dict__", {}).items())
        slots = {name for cls in type(item).__mro__ for name in getattr(cls, "__slots__", ())} - {"__weakref__"}
        yield from ((f".{name}", getattr(item, name)) for name in slots if hasattr(item, name))
