"""A data file described by its own content: columns, kinds of values, first rows."""

import csv
import io
from collections.abc import Iterable
from typing import Any, BinaryIO, Final

PREVIEW_ROWS: Final = 12
_MISSING: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null"})
_FEW: Final = 6


class NotTabularError(ValueError):
    """The file is not a CSV file with a header row."""


def profile_csv(file: BinaryIO) -> dict[str, Any]:
    """What a CSV file holds: `row_count`, `columns` (name, kind, values, missing) and `first_rows`.

    Raises:
        NotTabularError: not UTF-8 text, no header, no row, or rows of different lengths.
    """
    header, rows = _read(file)
    columns = [_column(name, [row[index] for row in rows]) for index, name in enumerate(header)]
    return {"row_count": len(rows), "columns": columns, "first_rows": rows[:PREVIEW_ROWS]}


def preview_csv(profile: dict[str, Any]) -> bytes:
    """The first rows as a CSV file, header included."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column["name"] for column in profile["columns"])
    writer.writerows(profile["first_rows"])
    return text.getvalue().encode()


def _read(file: BinaryIO) -> tuple[list[str], list[list[str]]]:
    try:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        rows = [row for row in csv.reader(text, strict=True) if row]
        text.detach()
    except UnicodeDecodeError as error:
        raise NotTabularError(f"The file is not UTF-8 text (byte {error.start}).") from error
    except csv.Error as error:
        raise NotTabularError(f"The file is not CSV: {error}.") from error
    if len(rows) < 2:
        raise NotTabularError("The file needs a header row and at least one row of data.")
    _check_lengths(rows)
    return rows[0], rows[1:]


def _check_lengths(rows: list[list[str]]) -> None:
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise NotTabularError(f"Row {number} has {len(row)} values; the header names {width}.")


def _column(name: str, cells: list[str]) -> dict[str, Any]:
    values = [cell for cell in cells if cell not in _MISSING]
    kind, shown = _kind_and_range(values)
    return {"name": name, "kind": kind, "values": shown, "missing": len(cells) - len(values)}


def _kind_and_range(values: list[str]) -> tuple[str, str]:
    numbers = _as_numbers(values)
    if numbers:
        return "number", f"{min(numbers):g} to {max(numbers):g}"
    distinct = sorted(set(values))
    if len(distinct) <= _FEW:
        return "category", ", ".join(distinct)
    return "text", f"{len(distinct)} different"


def _as_numbers(values: Iterable[str]) -> list[float]:
    """All values as numbers, or none if one of them is not."""
    try:
        return [float(value) for value in values]
    except ValueError:
        return []
