"""Makes the tables and plots of the benchmark page from what `nox -s bench` has written into docs/benchmarks/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from sphinx.application import Sphinx

from pentad_services.benchmark import OURS, Table

DOCS = Path(__file__).parent
RESULTS = DOCS / "benchmarks"
GENERATED = DOCS / "_generated"
# Text stays text, and the same figures make the same file.
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "pentad", "font.size": 9}


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the page's parts before Sphinx reads it."""
    app.connect("builder-inited", lambda _app: write_pages())
    return {"parallel_read_safe": True}


def write_pages() -> None:
    """Write one Markdown file with the figures of all, and a plot for each table that compares ours with others."""
    GENERATED.mkdir(exist_ok=True)
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    (GENERATED / "benchmarks.md").write_text("\n\n".join(line for report in found for line in section(report)) + "\n")


def section(report: dict[str, Any]) -> list[str]:
    """A package's part of the page, in paragraphs."""
    package = report["package"]
    parts = [f"## {package}", "\n".join(f"- {note}" for note in (f"measured {report['measured']}", *report["notes"]))]
    for number, fields in enumerate(report["tables"]):
        table = Table(**fields)
        parts.append(markdown(table))
        if table.ratio and table.first == OURS:
            plot(table, GENERATED / f"{package}-{number}.svg")
            picture = f"![{table.unit}: how many times ours the others take](_generated/{package}-{number}.svg)"
            parts.append(f":::{{div}} plot\n{picture}\n:::")
    marks = {True: "reached", False: "**missed in this run**"}
    return [*parts, "\n".join(f"- {target}: {marks[reached]}" for target, reached in report["targets"].items())]


def markdown(table: Table) -> str:
    """A table with each figure, and how many times the first column's it is."""
    rows = [[table.unit, *table.columns.values()], ["---", *(["---:"] * len(table.columns))]]
    for name, figures in table.rows.items():
        ratios = {column: f" ({cell(ratio)}x)" for column, ratio in table.ratios(name).items()}
        rows.append([name, *(cell(figures.get(column)) + ratios.get(column, "") for column in table.columns)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def cell(figure: float | None) -> str:
    """A figure with three digits that say something."""
    if figure is None:
        return ""
    return f"{figure:,}" if isinstance(figure, int) or figure == 0 else f"{float(f'{figure:.3g}'):,g}"


def plot(table: Table, path: Path) -> None:
    """Draw a bar for each ratio, from 1, where both take as long; its name stands above, so that a phone shows all."""
    bars = [
        (f"{name}: {table.columns[column]}", ratio, list(table.columns).index(column))
        for name in reversed(table.rows)
        for column, ratio in reversed(table.ratios(name).items())
    ]
    with rc_context(STYLE):
        figure = Figure(figsize=(4.2, 0.9 + 0.36 * len(bars)), layout="constrained")
        axes = figure.subplots()
        names, ratios, colours = zip(*bars, strict=True)
        drawn = axes.barh(
            range(len(bars)), [ratio - 1 for ratio in ratios], 0.4, left=1, color=[f"C{n - 1}" for n in colours]
        )
        axes.bar_label(drawn, [f"{cell(ratio)}x" for ratio in ratios], padding=3)
        for height, name in enumerate(names):
            axes.text(0.01, height + 0.28, name, transform=axes.get_yaxis_transform())
        axes.set_yticks([])
        axes.set_ylim(-0.5, len(bars) - 0.1)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}x")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.25)
        axes.axvline(1, color="silver", linewidth=0.8, zorder=0)
        axes.set_xlabel(f"{table.unit}, times {table.columns[OURS]}'s:\nto the right, this package takes less")
        figure.savefig(path, metadata={"Date": None})
