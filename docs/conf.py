"""Configuration of the documentation site. It is built offline: no inventory, font or script is fetched."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django
import fastapi  # noqa: F401  autodoc imports with TYPE_CHECKING set, under which pydantic cannot build its models

sys.path.insert(0, str(Path(__file__).parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
django.setup()

project = "Pentad"
author = "The Pentad maintainers"
copyright = "2026, the Pentad maintainers"
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "benchmark_pages",
    "change_pages",
    "diagrams",
]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_generated", ".pytest_cache", "conftest.py"]
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"  # full names are cut at the side of a page
autodoc_typehints = "description"
autodoc_typehints_format = "short"
# No inventory of other projects is fetched, so their names cannot be looked up; ours must all be found.
_OURS = "pentad_config|starsessions|eventsourcing_django|syzygy|django_minio_backend|jupyterhub_moss"
nitpick_ignore_regex = [("py:.*", rf"(?!({_OURS})\b).*"), ("py:.*", r".*\.T")]  # T: a type variable
default_role = "code"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(Path(__file__).with_name("search_order.js"))
html_theme = "pydata_sphinx_theme"
html_title = "Pentad"
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "use_edit_page_button": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,  # the packages; more would need a second line
    "navbar_align": "left",
}
html_sidebars = {"index": [], "story": [], "architecture": [], "benchmarks": []}
html_copy_source = False
html_show_sourcelink = False
