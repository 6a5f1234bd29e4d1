"""A data file described by its own content: columns, kinds of values, first rows."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import IO, Any, Final

from portal.web.pages import counted

PREVIEW_ROWS: Final = 12
BINS: Final = 12
MOST_COLUMNS: Final = 200
MOST_CELLS: Final = 400_000
"""So many values are described, from the first row on: the largest file is read within the front door's 30 s."""
_MISSING: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null"})
_FEW: Final = 6


class NotTabularError(ValueError):
    """The file is not a CSV file with a header row."""


def profile_csv(file: IO[bytes]) -> dict[str, Any]:
    """What a CSV file holds: `row_count`, `columns` (name, kind, range, bins, missing) and `first_rows`.

    Every row is read and counted; `described_rows` says how many of them, from the first on, the columns are
    described by. `bins` counts a numeric column's values in twelve equal steps from the smallest to the largest.

    Raises:
        NotTabularError: not UTF-8 text, no header, no row, or rows of different lengths.
    """
    header, rows, row_count = _read(file)
    columns = [_column(name, [row[index] for row in rows]) for index, name in enumerate(header)]
    return {
        "row_count": row_count,
        "described_rows": len(rows),
        "columns": columns,
        "first_rows": rows[:PREVIEW_ROWS],
    }


def preview_csv(profile: dict[str, Any]) -> bytes:
    """The first rows as a CSV file, header included."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column["name"] for column in profile["columns"])
    writer.writerows(profile["first_rows"])
    return text.getvalue().encode()


def _read(file: IO[bytes]) -> tuple[list[str], list[list[str]], int]:
    """Header, the rows to describe, and the number of all rows."""
    try:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        found = _checked(row for row in csv.reader(text, strict=True) if row)
        text.detach()
    except UnicodeDecodeError as error:
        raise NotTabularError(f"The file is not UTF-8 text (byte {error.start}).") from error
    except csv.Error as error:
        raise NotTabularError(f"The file is not CSV: {error}.") from error
    return found


def _checked(rows: Iterator[list[str]]) -> tuple[list[str], list[list[str]], int]:
    header = next(rows, [])
    width = len(header)
    if width > MOST_COLUMNS:
        raise NotTabularError(f"The header names {width} variables; a data set has at most {MOST_COLUMNS} here.")
    most, kept, count = MOST_CELLS // max(width, 1), [], 0
    for count, row in enumerate(rows, start=1):
        if len(row) != width:
            raise NotTabularError(f"Row {count + 1} has {counted(len(row), 'value')}; the header names {width}.")
        if count <= most:
            kept.append(row)
    if not kept:
        raise NotTabularError("The file needs a header row and at least one row of data.")
    return header, kept, count


def _column(name: str, cells: list[str]) -> dict[str, Any]:
    values = [cell for cell in cells if cell not in _MISSING]
    numbers = _as_numbers(values)
    kind, shown = _kind_and_range(values, numbers)
    bins = _histogram(numbers)
    return {"name": name, "kind": kind, "range": shown, "bins": bins, "missing": len(cells) - len(values)}


def _kind_and_range(values: list[str], numbers: list[float]) -> tuple[str, str]:
    if numbers:
        return "number", f"{min(numbers):g} to {max(numbers):g}"
    distinct = sorted(set(values))
    if distinct and all(map(_is_date, distinct)):
        return "date", f"{distinct[0]} to {distinct[-1]}"
    if len(distinct) <= _FEW:
        return "category", ", ".join(distinct)
    return "text", f"{len(distinct)} different"


def _is_date(value: str) -> bool:
    """Whether this is a day as `2026-11-22`; the other forms of ISO 8601 are as likely to be something else."""
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _histogram(numbers: list[float]) -> list[int]:
    """How many numbers fall into each of equal steps; empty if there is no spread, or more than a float holds."""
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if low == high or math.isinf(high - low):
        return []
    steps = Counter(min(int((number - low) / (high - low) * BINS), BINS - 1) for number in numbers)
    return [steps[step] for step in range(BINS)]


def _as_numbers(values: Iterable[str]) -> list[float]:
    """All values as numbers, or none if one of them is not a finite number."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return []
    return numbers if all(math.isfinite(number) for number in numbers) else []
