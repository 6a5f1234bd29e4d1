"""A data file described by its own content: columns, kinds of values, first rows."""

import csv
import io
import math
from collections.abc import Iterable
from typing import IO, Any, Final

PREVIEW_ROWS: Final = 12
BINS: Final = 12
MOST_COLUMNS: Final = 200
_MISSING: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null"})
_FEW: Final = 6


class NotTabularError(ValueError):
    """The file is not a CSV file with a header row."""


def profile_csv(file: IO[bytes]) -> dict[str, Any]:
    """What a CSV file holds: `row_count`, `columns` (name, kind, range, bins, missing) and `first_rows`.

    `bins` counts a numeric column's values in twelve equal steps from the smallest to the largest.

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


def _read(file: IO[bytes]) -> tuple[list[str], list[list[str]]]:
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
    if width > MOST_COLUMNS:
        raise NotTabularError(f"The header names {width} variables; a data set has at most {MOST_COLUMNS} here.")
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise NotTabularError(f"Row {number} has {len(row)} values; the header names {width}.")


def _column(name: str, cells: list[str]) -> dict[str, Any]:
    values = [cell for cell in cells if cell not in _MISSING]
    kind, shown = _kind_and_range(values)
    bins = _histogram(_as_numbers(values))
    return {"name": name, "kind": kind, "range": shown, "bins": bins, "missing": len(cells) - len(values)}


def _kind_and_range(values: list[str]) -> tuple[str, str]:
    numbers = _as_numbers(values)
    if numbers:
        return "number", f"{min(numbers):g} to {max(numbers):g}"
    distinct = sorted(set(values))
    if len(distinct) <= _FEW:
        return "category", ", ".join(distinct)
    return "text", f"{len(distinct)} different"


def _histogram(numbers: list[float]) -> list[int]:
    """How many numbers fall into each of equal steps; empty if there is no spread, or more than a float holds."""
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if low == high or math.isinf(high - low):
        return []
    steps = [min(int((number - low) / (high - low) * BINS), BINS - 1) for number in numbers]
    return [steps.count(step) for step in range(BINS)]


def _as_numbers(values: Iterable[str]) -> list[float]:
    """All values as numbers, or none if one of them is not a finite number."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return []
    return numbers if all(math.isfinite(number) for number in numbers) else []
