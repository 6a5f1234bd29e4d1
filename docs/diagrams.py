"""Draws the diagrams of the architecture page from the sources and the pyproject.toml files."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from import_graph import graph_of, levels, modules_of
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
GENERATED = Path(__file__).parent / "_generated"
MATRIX: dict[str, Any] = tomllib.loads((ROOT / "matrix.toml").read_text())
WIDTH = 900
INK, LINE, PAPER = "#22303c", "#8795a1", "#f7f8fa"
# One colour for each part of a package; they are told apart by their names, and the colours help.
COLOURS = ("#dceaf7", "#fde7cf", "#dff0d8", "#f3dff0", "#fdf3c4", "#d9f0ef", "#f9dcdc", "#e6e4f5")
SHARED = "pentad_config"


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw before Sphinx reads the pages."""
    app.connect("builder-inited", lambda _app: write_diagrams())
    return {"parallel_read_safe": True}


def write_diagrams() -> None:
    """Write one picture of all packages, and one of the modules of each."""
    GENERATED.mkdir(exist_ok=True)
    (GENERATED / "packages.svg").write_text(packages())
    for name, entry in MATRIX["packages"].items():
        (GENERATED / f"modules-{name}.svg").write_text(modules(name, entry["import"]))


@dataclass
class Drawing:
    """An SVG picture that grows downwards."""

    title: str
    height: int = 0
    parts: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, height: float, fill: str = "#fff") -> None:
        """Draw a box with round corners."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}" stroke="{LINE}"/>'
        )

    def text(
        self, x: float, y: float, text: str, size: int = 12, weight: str = "normal", anchor: str = "middle"
    ) -> None:
        """Write a line, in the middle of `x` by default."""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
            f'fill="{INK}">{escape(text)}</text>'
        )

    def arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw an arrow from one point to another."""
        (x1, y1), (x2, y2) = start, end
        self.parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{INK}" marker-end="url(#head)"/>'
        )

    def line(self, y: float) -> None:
        """Draw a faint line from side to side."""
        self.parts.append(f'<line x1="14" x2="{WIDTH - 14}" y1="{y:g}" y2="{y:g}" stroke="#e1e5e9"/>')

    def __str__(self) -> str:
        body = "\n".join(self.parts)
        return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" role="img" font-family="sans-serif">
<title>{escape(self.title)}</title>
<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0L10 5L0 10z" fill="{INK}"/>
</marker>
<rect width="{WIDTH}" height="{self.height}" rx="8" fill="{PAPER}"/>
{body}
</svg>
"""


def packages() -> str:
    """The five packages between what uses them all and what they all use, with what each installation needs."""
    five = [name for name, entry in MATRIX["packages"].items() if entry["import"] != SHARED]
    bottom = 190 + 15 * max(len(needs(name)) for name in five)
    drawing = Drawing("Which package imports which, and what each needs", height=bottom + 150)
    shared = modules_of(ROOT / "packages/config/src")
    portal = modules_of(ROOT / "examples/portal")
    step = (WIDTH - 20) / len(five)
    drawing.box(10, 10, WIDTH - 20, 44, COLOURS[4])
    drawing.text(WIDTH / 2, 37, "examples/portal and integration-tests see all of them", weight="bold")
    drawing.box(10, bottom + 84, WIDTH - 20, 56, COLOURS[0])
    drawing.text(WIDTH / 2, bottom + 107, SHARED, 14, "bold")
    drawing.text(WIDTH / 2, bottom + 128, ", ".join(needs("config")) or "needs nothing but Python")
    for number, name in enumerate(five):
        own = modules_of(ROOT / f"packages/{name}/src")
        middle = 10 + step * (number + 0.5)
        drawing.arrow((middle, 54), (middle, 118))
        drawing.text(middle + 6, 90, _importing(portal, own), 11, anchor="start")
        drawing.box(middle - step / 2 + 6, 120, step - 12, bottom - 120)
        drawing.text(middle, 145, MATRIX["packages"][name]["import"], 12, "bold")
        drawing.text(middle, 162, f"{len(own)} modules", 11)
        for line, requirement in enumerate(needs(name)):
            drawing.text(middle, 184 + 15 * line, requirement, 11)
        drawing.arrow((middle, bottom), (middle, bottom + 82))
        drawing.text(middle + 6, bottom + 46, _importing(own, shared), 11, anchor="start")
    return str(drawing)


def _importing(modules: dict[str, Path], others: dict[str, Path]) -> str:
    number = sum(map(bool, graph_of(modules, others).values()))
    return f"{number} module{'s' * (number != 1)}"


def needs(package: str) -> list[str]:
    """What an installation of a package brings besides `pentad-config`, with its lowest version."""
    project = tomllib.loads((ROOT / f"packages/{package}/pyproject.toml").read_text())["project"]
    found = [re.match(r"([\w.-]+)(?:\[.*\])?(?:>=([\w.]+))?", text) for text in project["dependencies"]]
    named = [(match[1], match[2]) for match in found if match and match[1] != "pentad-config"]
    return [f"{name} ≥ {version}" if version else name for name, version in named]


def modules(package: str, import_name: str) -> str:
    """The modules of a package in rows, each of which imports only from the rows below it."""
    found = modules_of(ROOT / f"packages/{package}/src")
    # Empty ones only hold others, and migrations are data.
    graph = graph_of({name: path for name, path in found.items() if path.stat().st_size and ".migrations" not in name})
    drawing = Drawing(f"Modules of {import_name}: each imports only from the rows below it", height=14)
    parts = sorted({_part(name, import_name) for name in graph})
    colours = {part: COLOURS[number % len(COLOURS)] for number, part in enumerate(parts)}
    for number, row in enumerate(reversed(levels(graph))):
        if number:
            drawing.line(drawing.height - 5)
        chips = [(name.removeprefix(f"{import_name}."), colours[_part(name, import_name)]) for name in sorted(row)]
        _row(drawing, chips)
    drawing.height += 2
    return str(drawing)


def _part(name: str, import_name: str) -> str:
    return name.removeprefix(import_name).lstrip(".").rpartition(".")[0]


def _row(drawing: Drawing, chips: list[tuple[str, str]]) -> None:
    x = 14.0
    for label, colour in chips:
        width = 7.1 * len(label) + 16
        if x + width > WIDTH - 14:
            x, drawing.height = 14.0, drawing.height + 32
        drawing.box(x, drawing.height, width, 26, colour)
        drawing.text(x + width / 2, drawing.height + 17, label)
        x += width + 8
    drawing.height += 40
