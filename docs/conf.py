"""Configuration of the documentation site. It is built offline: no inventory, font or script is fetched."""

from __future__ import annotations

import django
from django.conf import settings

# The reference pages import the Django packages, and those want settings.
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.admin",
        "django.contrib.messages",
        "django.contrib.sessions",
        "eventsourcing_django",
        "syzygy",
        "django_minio_backend",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    STORAGES={"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}},
    USE_TZ=True,
)
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
]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "conftest.py"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
html_theme = "pydata_sphinx_theme"
html_title = "Pentad"
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "use_edit_page_button": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
}
html_sidebars = {"index": [], "architecture": []}
html_copy_source = False
html_show_sourcelink = False
