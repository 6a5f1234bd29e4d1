"""What the packages' benchmarks share: peers in environments of their own, and one report of figures and targets.

A benchmark asks its `Worker` processes in interleaved rounds, puts the best of each into a `Table`, and ends with
`Report.finish`. What is compared are costs (times, bytes): less is better, and ratios tell more than times.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self, cast

from pentad_services.service import Service

__all__ = ["OURS", "Report", "Table", "Worker", "installed", "make_environment", "options_of"]

OURS = "ours"
"""The column of the package that is measured."""


def make_environment(folder: Path, *wanted: str) -> Path:
    """Make an environment of this Python with these requirements from the package index; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    subprocess.run([python, *install], check=True)
    return python


def installed(*distributions: str) -> list[str]:
    """The requirements that are met by exactly this environment's versions."""
    return [f"{name}=={version(name)}" for name in distributions]


class Worker:
    """A process that measures the package of its environment: one JSON object a line asks, one answers.

    Parameters:
        python: the environment's interpreter.
        script: what it runs, with `arguments`.
    """

    def __init__(self, python: str | Path, script: Path, *arguments: str) -> None:
        # Isolated, so that neither PYTHONPATH nor the script's folder can bring another package of the name in.
        self._process = subprocess.Popen(
            [python, "-I", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._orders, self._answers = (cast("IO[str]", end) for end in (self._process.stdin, self._process.stdout))

    def send(self, **order: object) -> None:
        """Ask, without waiting for the answer: several workers can be busy at once."""
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()

    def receive(self) -> Any:
        """Wait for an answer. Raises RuntimeError if the process has ended instead."""
        answer = self._answers.readline()
        if not answer:
            raise RuntimeError(f"the worker ended with {self._process.wait()}")
        return json.loads(answer)

    def ask(self, **order: object) -> Any:
        """Ask, and return the answer."""
        self.send(**order)
        return self.receive()

    def close(self) -> None:
        """Tell the process that nothing more is asked, and wait for its end."""
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass
class Table:
    """Figures of the same things in several packages."""

    unit: str
    """What a figure is, with its unit: ``µs a request``."""
    columns: dict[str, str]
    """What is compared, ours first: the short name that is printed, and the full one with its version."""
    ratio: Literal["first/other", "other/first"] | None
    """Which ratios are printed; without one, the figures mean something by themselves."""
    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    """The figures by what was measured and column."""

    @property
    def first(self) -> str:
        """The column that the others are compared with."""
        return next(iter(self.columns))

    def ratios(self, row: str) -> dict[str, float]:
        """How many times the first column's figure each other one of the row is."""
        figures = self.rows[row]
        others = [name for name in figures if self.ratio and name != self.first]
        return {name: figures[name] / figures[self.first] for name in others}

    def __str__(self) -> str:
        others = [name for name in self.columns if name != self.first and self.ratio]
        turned = self.ratio == "first/other"
        lines = [[self.unit, *self.columns]]
        lines[0] += [f"{self.first}/{name}" if turned else f"{name}/{self.first}" for name in others]
        for row, figures in self.rows.items():
            ratios = {name: 1 / value if turned else value for name, value in self.ratios(row).items()}
            lines.append([row, *(_number(figures.get(name)) for name in self.columns)])
            lines[-1] += [f"{ratios[name]:.2f}x" if name in ratios else "" for name in others]
        return _aligned(lines)


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) + 2 for column in zip(*lines, strict=True)]
    texts = (name.ljust(widths[0]) + "".join(map(str.rjust, cells, widths[1:])) for name, *cells in lines)
    return "\n".join(map(str.rstrip, texts))


def _number(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure}" if isinstance(figure, int) else f"{figure:.2f}"


def options_of(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """The options that every benchmark has; `rounds` are the interleaved rounds that it measures by default."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--rounds", type=int, default=rounds, help="interleaved rounds, of which the best counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, tables and targets there as well")
    return parser


@dataclass
class Report:
    """What a benchmark found. It prints everything as it comes.

    Parameters:
        package: the package's folder.
        distributions: whose versions belong to the figures.
    """

    package: str
    distributions: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    targets: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.note(machine(*self.distributions))

    def note(self, line: str) -> None:
        """Print a line that explains the figures: the machine, a server."""
        print(line, flush=True)
        self.notes.append(line)

    def measured_with(self, service: Service) -> None:
        """Note a server, without the address that it has only this time."""
        self.note(service.line.rpartition(", ")[0])

    def show(self, table: Table) -> None:
        """Print a table."""
        print(table, flush=True)
        self.tables.append(table)

    def require(self, target: str, reached: bool) -> None:
        """Judge one target."""
        self.targets[target] = reached

    def finish(self, options: argparse.Namespace) -> int:
        """Print the targets, write the file that was asked for, and return the exit code."""
        for target, reached in self.targets.items():
            print(f"{'ok    ' if reached else 'MISSED'} {target}")
        if options.json:
            document = {"measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **asdict(self)}
            options.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        return int(options.check and not all(self.targets.values()))


def machine(*distributions: str) -> str:
    """One line about what the figures are measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in distributions)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    system = f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}"
    return f"Python {platform.python_version()}, {packages}; {system}, load {load}"
