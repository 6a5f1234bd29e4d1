"""The page for everybody: axe-core's rules, colours and sizes, the keyboard. MOSS_TEST_SCREENSHOTS names a folder for pictures."""

import os
from pathlib import Path

import jupyterhub
import pytest
from axe_playwright_python.sync_playwright import Axe

SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 900}}


def violations(page):
    """What axe-core finds wrong with our part of the page, in words."""
    found = Axe().run(page, context="#moss_form").response["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]], each["help"]) for each in found]


def picture(page, name):
    if folder := os.environ.get("MOSS_TEST_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(open_page, scheme):
    """Both tabs, in both colour schemes, on a phone and on a desk, without a violation."""
    page = open_page(color_scheme=scheme)
    if jupyterhub.version_info >= (5, 2):  # the first with a dark scheme
        assert page.get_attribute("html", "data-bs-theme") == scheme
    page.check("input[name=partition_simple][value=gpu]", force=True)
    at_every_size(page, f"simple-{scheme}")
    page.click("#advanced_tab_link")
    page.check("#environment_add_radio")
    page.fill("#nprocs", "999")
    at_every_size(page, f"advanced-{scheme}")


def at_every_size(page, name):
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        picture(page, f"{name}-{size}")
        assert violations(page) == [], size


def test_everything_can_be_reached_and_chosen_with_the_keyboard(open_page):
    """From the tabs onwards, Tab reaches each group of the Simple tab, arrows choose, and focus is always visible."""
    page = open_page()
    page.focus("#simple_tab_link")
    reached = []
    while "runtime_simple" not in reached:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.id"))
        assert len(reached) < 30, reached
    assert [name for name in reached if name in {"partition_simple", "nprocs_simple", "environment_simple"}] == [
        "partition_simple",
        "nprocs_simple",
        "environment_simple",
    ]
    page.focus("input[name=partition_simple][value=cpu]")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#partition") == "gpu"
    outline = page.evaluate("getComputedStyle(document.activeElement.closest('.moss-card')).outlineStyle")
    assert outline == "solid"
