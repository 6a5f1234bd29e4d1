"""Makes each package's page of changes: what waits as fragments in `changes/`, and then what was released."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
GENERATED = Path(__file__).parent / "_generated"
KINDS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["fragment"]
RELEASES = "<!-- towncrier release notes start -->\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx reads them."""
    app.connect("builder-inited", lambda _app: write_pages())
    return {"parallel_read_safe": True}


def write_pages() -> None:
    """Write one Markdown file for each package, which its page of changes includes."""
    GENERATED.mkdir(exist_ok=True)
    for log in sorted((ROOT / "packages").glob("*/CHANGELOG.md")):
        head, released = log.read_text().split(RELEASES)
        page = "\n\n".join([head.strip(), *coming(log.with_name("changes")), released.strip()])
        (GENERATED / f"changes-{log.parent.name}.md").write_text(page.rstrip() + "\n")


def coming(folder: Path) -> list[str]:
    """The section of what is not released yet, in paragraphs; nothing where no fragment waits."""
    parts = []
    for kind in KINDS:
        found = [path.read_text().strip() for path in sorted(folder.glob(f"*.{kind}.md"))]
        parts += [f"### {kind.capitalize()}", *found] if found else []
    return ["## Not released yet", *parts] if parts else []
