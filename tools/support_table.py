"""Writes the table of what is supported into README.md, from the matrix that the tests run on.

`--check` only compares, and exits with 1 where the two differ.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distributions import ROOT, matrix, packages

BEGIN = "<!-- written by tools/support_table.py from matrix.toml -->"
END = "<!-- end of the table -->"
README = ROOT / "README.md"


def table(root: Path = ROOT) -> str:
    """The table in Markdown: a line for each row of the matrix."""
    lines = ["| package | tested with | on Python |", "| --- | --- | --- |"]
    for package in packages(root).values():
        for versions, pythons in rows(matrix(root), package.name):
            lines.append(f"| `{package.distribution}` | {versions} | {', '.join(pythons)} |")
    return "\n".join(lines)


def rows(found: dict[str, Any], package: str) -> Iterator[tuple[str, list[str]]]:
    """What a package is tested with, and the Pythons that it is tested on."""
    for row in found["packages"][package].get("rows", {"": {}}).values():
        versions = ", ".join(map(in_words, row.get("constraints", [])))
        bound = "oldest" if row.get("oldest") else "newest"
        yield versions or f"the {bound} of everything it declares", row.get("pythons", found["pythons"])


def in_words(constraint: str) -> str:
    """A constraint as a reader would say it: `django==5.2.*` is `django 5.2`, `redis>=5` is `redis 5 and newer`."""
    understood = re.fullmatch(r"([\w-]+)(==|>=)([\w.]+?)(\.\*)?", constraint)
    if understood is None:
        raise ValueError(
            f"matrix.toml: {constraint!r} is not of the form name==version, name==version.* or name>=version"
        )
    name, operator, version, _ = understood.groups()
    return f"{name} {version}" + (" and newer" if operator == ">=" else "")


def with_table(text: str, new: str) -> str:
    """The text with another table between the marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{new}\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if the table is out of date")
    options = parser.parse_args()
    old = README.read_text()
    new = with_table(old, table())
    if options.check:
        if new != old:
            print("README.md does not say what matrix.toml says; run python tools/support_table.py", file=sys.stderr)
        return int(new != old)
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
