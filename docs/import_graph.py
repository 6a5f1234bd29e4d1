"""Which module imports which, read from the sources of this tree."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

Graph = dict[str, set[str]]


def modules_of(folder: Path) -> dict[str, Path]:
    """The modules below a folder that is on the path, by their full names."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def graph_of(modules: dict[str, Path], targets: dict[str, Path] | None = None) -> Graph:
    """What each module needs of `targets` (of these modules themselves) when it is imported.

    Imports inside of functions and for type checkers are left out: they are not made then.
    """
    known = modules if targets is None else targets
    return {name: {*_imported(name, path, known)} - {name} for name, path in modules.items()}


def _imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for statement in _statements(ast.parse(path.read_text()).body):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names if alias.name in known)
        else:
            above = package.split(".")[: len(package.split(".")) - statement.level + 1] if statement.level else []
            source = ".".join([*above, *([statement.module] if statement.module else [])])
            for alias in statement.names:
                module = f"{source}.{alias.name}"
                yield from [candidate for candidate in (module, source) if candidate in known][:1]


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    for statement in body:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from _statements(statement.orelse)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody", "handlers"):
                yield from _statements(getattr(statement, field, []))


def levels(graph: Graph) -> list[tuple[str, ...]]:
    """Rows of modules: each imports only what stands in the rows below, the first of the list being the lowest.

    Raises graphlib.CycleError, with their names, if modules import one another in a circle.
    """
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    rows = []
    while sorter.is_active():
        rows.append(sorter.get_ready())
        sorter.done(*rows[-1])
    return rows
