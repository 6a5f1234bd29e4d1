"""The Jinja environment in which both the front door and the catalogue render their pages."""

from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).with_name("templates")


def environment(*, static_url: str, **options: Any) -> Environment:
    """An environment that escapes everything and refuses undefined names.

    `static_url` is where static files are; `options` are those of `jinja2.Environment`, Django passes its own.
    """
    options["loader"] = FileSystemLoader(TEMPLATES)
    options["undefined"] = StrictUndefined
    options |= {"trim_blocks": True, "lstrip_blocks": True, "autoescape": True}
    jinja = Environment(**options)  # noqa: S701 - autoescape is on, one line above
    jinja.globals["static"] = static_url.__add__
    jinja.filters["filesize"] = filesize
    jinja.filters["counted"] = counted
    jinja.filters["day"] = day
    jinja.filters["moment"] = moment
    return jinja


def filesize(count: int) -> str:
    """A number of bytes for people: `15.2 kB`; no line ends between the number and its unit."""
    if count < 1000:
        return counted(count, "byte")
    size, unit = (count / 1000, "kB") if count < 1_000_000 else (count / 1_000_000, "MB")
    return f"{size:.1f}\N{NO-BREAK SPACE}{unit}"


def counted(count: int, noun: str) -> str:
    """So many of something: `1 row`, `12,500 rows`; no line ends between the number and the noun."""
    return f"{count:,}\N{NO-BREAK SPACE}{noun}{'' if count == 1 else 's'}"


def day(when: datetime | str) -> str:
    """A date for people: `21 November 2026`."""
    value = datetime.fromisoformat(when) if isinstance(when, str) else when
    return f"{value.day} {value:%B %Y}"


def moment(value: datetime) -> str:
    """A date and time for people: `21 November 2026, 14:05 UTC`."""
    return f"{day(value)}, {value:%H:%M} UTC"
