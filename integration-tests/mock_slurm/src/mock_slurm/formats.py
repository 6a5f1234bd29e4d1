"""`%.18i %P`: the format strings that squeue and sinfo share, and the `Name:width` lists of -O and sacct."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

__all__ = ["Column", "Layout", "parse_format", "parse_names", "render"]

Row = TypeVar("Row")
_PIECE = re.compile(r"([.#]*)([0-9]*)(.?)(.*)", re.DOTALL)
_NAME = re.compile(r"([A-Za-z_-]+)(?::([.+-]*)([0-9]*)(.*))?")


@dataclasses.dataclass(frozen=True)
class Column(Generic[Row]):
    """One field: its heading and how its text is made."""

    heading: str
    text: Callable[[Row], str]


@dataclasses.dataclass(frozen=True)
class Layout(Generic[Row]):
    """One placed field: literal text before it, its column, width (0 = as long as it is) and side.

    A `fitted` field is as wide as its longest text or its heading.
    """

    before: str
    column: Column[Row] | None
    width: int = 0
    right: bool = False
    after: str = ""
    fitted: bool = False

    def show(self, text: str) -> str:
        """The text cut and padded."""
        if self.column is None:
            return self.before
        if self.width:
            text = text[: self.width]
            text = text.rjust(self.width) if self.right else text.ljust(self.width)
        return f"{self.before}{text}{self.after}"


def parse_format(text: str, columns: Mapping[str, Column[Row]]) -> tuple[list[Layout[Row]], list[str]]:
    """The fields of a `%` format, and the letters that mean nothing: such a field is printed as it is written.

    A `%` without anything before the next one vanishes, so that `%%` is no way to print one.
    """
    before, *pieces = text.split("%")
    layout: list[Layout[Row]] = [Layout(before, None)] if before else []
    unknown: list[str] = []
    for piece in filter(None, pieces):
        side, width, letter, after = _PIECE.fullmatch(piece).groups()  # type: ignore[union-attr]
        if letter in columns:
            layout.append(Layout("", columns[letter], int(width or 0), "." in side, after, fitted="#" in side))
        else:
            layout.append(Layout(f"%{piece}", None))
            unknown.append(letter)
    return layout, unknown


def parse_names(text: str, columns: Mapping[str, Column[Row]], width: int = 20) -> tuple[list[Layout[Row]], list[str]]:
    """The fields of `-O Name:12,Other:|`, and the names that mean nothing, which are left out.

    A colon may bring a width, a dot for right alignment, and a suffix.
    """
    known = {name.lower(): column for name, column in columns.items()}
    layout: list[Layout[Row]] = []
    unknown: list[str] = []
    for item in re.split(r",(?=[A-Za-z])", text):
        match = _NAME.fullmatch(item)
        if match is None or match[1].lower() not in known:
            unknown.append(item.split(":")[0])
            continue
        size = int(match[3]) if match[3] else (0 if match[4] else width)
        layout.append(Layout("", known[match[1].lower()], size, "." in (match[2] or ""), match[4] or ""))
    return layout, unknown


def render(layout: list[Layout[Row]], rows: Iterable[Row], *, heading: bool) -> list[str]:
    """Lines of the table."""
    cells = [[field.column.text(row) if field.column else "" for field in layout] for row in rows]
    headings = [field.column.heading if field.column else "" for field in layout]
    fields = [
        dataclasses.replace(field, width=max(len(row[number]) for row in [headings, *cells])) if field.fitted else field
        for number, field in enumerate(layout)
    ]
    table = [headings, *cells] if heading else cells
    return ["".join(field.show(cell) for field, cell in zip(fields, row, strict=True)) for row in table]
