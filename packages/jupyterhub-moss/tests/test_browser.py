"""The page in Chromium. MOSS_TEST_SCREENSHOTS names a folder for pictures."""

import os
from pathlib import Path

import jupyterhub
import pytest
from axe_playwright_python.sync_playwright import Axe

SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 900}}


def test_simple_choices_drive_the_fields_that_are_sent(open_page):
    """Partition, CPUs, GPUs, time and interface of the Simple tab are written to the Advanced fields."""
    page = open_page()
    page.check("input[name=partition_simple][value=gpu]", force=True)
    page.check("#fourCores", force=True)
    page.locator("[id='2Gpu']").check(force=True)
    page.select_option("#runtime_simple", "4:00:00")
    page.uncheck("#jupyterlab_simple")
    values = {name: page.input_value(f"#{name}") for name in ("partition", "nprocs", "ngpus", "runtime", "default_url")}
    assert values == {
        "partition": "gpu", "nprocs": "4", "ngpus": "2", "runtime": "4:00:00", "default_url": "/tree",
    }  # fmt: skip


def test_the_simple_tab_follows_the_partition(open_page):
    """GPUs where there are some, none of them chosen at first, and a quarter of a node's CPUs where these are many."""
    page = open_page()
    quarter = page.locator("label:has(#quarterCore)")
    page.check("input[name=partition_simple][value=cpu]", force=True)
    assert not page.is_visible("#gpu_simple")
    assert not quarter.is_visible()
    page.check("input[name=partition_simple][value=gpu]", force=True)
    page.locator("[id='2Gpu']").check(force=True)
    page.check("#quarterCore", force=True)
    assert quarter.inner_text() == "8"
    assert (page.input_value("#nprocs"), page.input_value("#ngpus")) == ("8", "2")
    page.check("input[name=partition_simple][value=cpu]", force=True)
    assert (page.input_value("#nprocs"), page.input_value("#ngpus")) == ("4", "0")
    page.check("input[name=partition_simple][value=gpu]", force=True)
    assert page.is_checked("[id='0Gpu']")


def test_another_partition_of_the_advanced_tab_cuts_down_what_it_has_not(open_page):
    """CPUs, memory and GPUs, with their limits beside them, and the environments are its own."""
    page = open_page()
    page.click("#advanced_tab_link")
    page.select_option("#partition", "gpu")
    for field, value in (("nprocs", "30"), ("mem_input", "100"), ("ngpus", "4")):
        page.fill(f"#{field}", value)
    environments = "[...document.querySelectorAll('#jupyter_environments_default input')].map((each) => each.value)"
    assert page.evaluate(environments) == ["default", "lab"]
    page.select_option("#partition", "cpu")
    assert [page.input_value(f"#{field}") for field in ("nprocs", "mem_input", "mem", "ngpus")] == [
        "16",
        "31.2",
        "31949M",
        "0",
    ]
    assert page.is_disabled("#ngpus")
    assert [page.inner_text(f"#max_{field}_span") for field in ("nprocs", "mem", "ngpus")] == ["/ 16", "/ 31.2", "/ 0"]
    assert [page.get_attribute(f"#{field}", "max") for field in ("nprocs", "mem_input", "ngpus")] == ["16", "31.2", "0"]
    assert page.evaluate(environments) == ["default"]


def test_the_browser_remembers_what_was_started(open_page):
    """The fields, the tab and an environment that was typed and not added; back on the Simple tab its choices hold."""
    page = open_page()
    page.evaluate("document.getElementById('spawn_form').addEventListener('submit', (event) => event.preventDefault())")
    page.click("#advanced_tab_link")
    page.select_option("#partition", "gpu")
    for field, value in (("nprocs", "3"), ("reservation", "lesson"), ("mem_input", "2")):
        page.fill(f"#{field}", value)
    page.check("#environment_add_radio")
    required = "['path', 'modules'].map((name) => document.getElementById(`environment_add_${name}`).required)"
    assert page.evaluate(required) == [True, True]
    page.fill("#environment_add_modules", "R/4.4")
    assert page.evaluate(required) == [False, False]
    page.click("#spawn_form button[type=submit]")
    page.reload()
    assert page.is_visible("#menu1")
    fields = ("partition", "nprocs", "reservation", "mem", "environment_modules")
    assert [page.input_value(f"#{field}") for field in fields] == ["gpu", "3", "lesson", "2G", "R/4.4"]
    assert page.locator("#jupyter_environments_custom input:checked").get_attribute("value").startswith("custom-")
    page.click("#simple_tab_link")
    assert [page.input_value(f"#{field}") for field in fields[:4]] == ["gpu", "1", "", ""]


def test_only_what_one_node_has_is_offered(open_page):
    """The kind of GPU decides how many GPUs and, with them, how many CPUs can be chosen."""
    page = open_page()
    page.check("input[name=partition_simple][value=gpu]", force=True)
    page.select_option("#gpu_type_simple", "a100_3g.20gb")
    shown = page.locator("#gpu_simple_choices label:visible").all_inner_texts()
    assert shown == ["none", "1", "2"]
    page.locator("[id='2Gpu']").check(force=True)
    assert page.input_value("#gpu_type") == "a100_3g.20gb"
    page.click("#advanced_tab_link")
    assert page.inner_text("#max_nprocs_span") == "/ 16"
    assert page.inner_text("#moss_fit") == "1 of 3 nodes can run this, 1 of them free now."
    page.fill("#nprocs", "17")
    assert page.inner_text("#moss_fit") == "No node of this partition has 17 CPUs and 2 GPUs a100_3g.20gb together."
    assert not page.evaluate("document.getElementById('spawn_form').checkValidity()")
    page.select_option("#gpu_type", "A100")
    assert page.inner_text("#moss_fit") == "1 of 3 nodes can run this, 1 of them free now."
    assert page.evaluate("document.getElementById('spawn_form').checkValidity()")


def test_a_link_to_the_form_carries_its_choices(open_page):
    """The link has the chosen values with opt- in front, and an environment by its id."""
    page = open_page()
    page.click("#advanced_tab_link")
    page.select_option("#partition", "gpu")
    page.fill("#ngpus", "1")
    page.fill("#mem_input", "2")
    page.click("#share summary")
    link = page.input_value("#share_link")
    query = dict(part.split("=") for part in link.partition("?")[2].split("&"))
    assert query == {
        "opt-partition": "gpu", "opt-nprocs": "1", "opt-ngpus": "1", "opt-gpu_type": "A100", "opt-memory": "2G",
        "opt-runtime": "1%3A00%3A00", "opt-default_url": "%2Flab", "opt-environment_id": "default",
    }  # fmt: skip


def test_an_open_page_renews_its_numbers(open_page, onlooker, slurm):
    """The page asks its endpoint by itself and says of when the numbers are; another user's are not given."""
    page = open_page()

    def until_free(gpus):
        free = "(gpus) => document.querySelector('[data-free-gpus=gpu]').textContent === gpus"
        page.wait_for_function(free, arg=gpus)

    until_free("12")  # a job of a test before may still be ending
    job = slurm(
        "sbatch", "--parsable", "--partition=gpu", "--gres=gpu:V100:1", "--output=/dev/null", "--wrap=sleep 600"
    )
    try:
        until_free("11")
    finally:
        slurm("scancel", job.strip())
    assert "1 of 2 V100" in page.locator("#home .moss-gpus").all_inner_texts()[0]
    assert page.inner_text("#home .moss-as-of").startswith("as of ")
    assert onlooker.get("/hub/api/users/somebody-else/moss/resources").status_code in {403, 404}


def test_a_short_partition_offers_its_own_time(open_page):
    """Where one hour is too long, the longest possible time is offered and asked for."""
    page = open_page()
    page.click("#advanced_tab_link")
    page.select_option("#partition", "debug")
    assert page.input_value("#runtime") == "0:05:00"
    assert page.locator("#runtime_simple option").all_text_contents() == ["5 minutes"]


def test_the_memory_field_counts_in_gigabytes(open_page):
    """Numbers are sent with G, fractions in megabytes, nothing and zero as they are."""
    page = open_page()
    page.click("#advanced_tab_link")
    for typed, sent in [("4", "4G"), ("0.5", "512M"), ("0", "0"), ("", "")]:
        page.fill("#mem_input", typed)
        assert page.input_value("#mem") == sent


def test_tabs_work_with_the_keyboard(open_page):
    """Arrow keys move between the tabs."""
    page = open_page()
    page.focus("#simple_tab_link")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#menu1")
    assert not page.is_visible("#home")
    assert page.get_attribute("#advanced_tab_link", "aria-selected") == "true"


STORED = [
    "{not json",
    "null",
    '"text"',
    "[1, 2]",
    '{"fields": {"partition": "gone"}, "tab": "advanced"}',
    '{"fields": 7, "simple": null, "environment": {}}',
    '{"fields": {"partition": "__proto__"}}',
    '{"fields": {"partition": "cpu", "nprocs": "many", "ngpus": []}, "environment": "custom-9", "simple": 3}',
]


def test_what_the_browser_remembers_cannot_break_the_page(open_page):
    """Corrupt or stale storage leaves a form with a partition that exists."""
    page = open_page()
    for form in STORED:
        for key in ("form-config:v3", "custom-environment-config:v1"):
            page.evaluate("([key, form]) => localStorage.setItem(key, form)", [key, form])
        page.reload()
        assert page.input_value("#partition") in {"cpu", "gpu", "debug"}, form
        page.check("input[name=partition_simple][value=gpu]", force=True)
        assert page.input_value("#partition") == "gpu", form


def test_a_custom_environment_is_kept_and_can_be_removed(open_page):
    """An added environment is chosen, sent with its path, stored, and gone after Remove."""
    page = open_page()
    page.click("#advanced_tab_link")
    page.check("#environment_add_radio")
    assert page.is_disabled("#environment_add_button")
    page.fill("#environment_add_name", "Mine")
    page.fill("#environment_add_path", "/my/env/bin")
    page.click("#environment_add_button")
    assert page.input_value("#environment_path") == "/my/env/bin"
    assert page.locator("#environment_simple_custom option").all_text_contents() == ["Mine"]
    page.reload()
    page.click("#advanced_tab_link")
    page.click("text=Remove")
    assert page.locator("#jupyter_environments_custom input").count() == 0
    assert page.evaluate("localStorage.getItem('custom-environment-config:v1')") == "{}"


def test_nothing_sticks_out_on_a_phone(open_page):
    """At 390 pixels neither tab scrolls sideways."""
    page = open_page(viewport=SIZES["phone"])
    for tab in ("#simple_tab_link", "#advanced_tab_link"):
        page.click(tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab


@pytest.mark.parametrize("width", [768, 1280])
def test_names_of_gpus_are_not_broken(open_page, width):
    """In the table each kind of GPU has its number beside it; only a phone breaks a name that is too long for it."""
    page = open_page(viewport={"width": width, "height": 900})
    lines = """() => [...document.querySelectorAll("#home [data-partition=gpu] :is(.moss-gpus li, .moss-each)")].map((each) => {
      const name = each.querySelector(".moss-muted") ?? each;
      name.textContent = name.textContent.replace("A100", "nvidia a100-sxm4-80gb");
      const range = document.createRange();
      range.selectNodeContents(each);
      return [each.textContent, new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size];
    })"""
    found = dict(page.evaluate(lines))
    assert {"4 nvidia a100-sxm4-80gb", "4 of 4 nvidia a100-sxm4-80gb"} <= found.keys()
    assert set(found.values()) == {1}
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "a wide table scrolls in its own frame"


def test_without_javascript_the_form_is_complete(page_without_scripts, hub):
    """A browser without scripts shows the Advanced fields and can submit them."""
    page = page_without_scripts
    page.goto(f"{hub.url}/hub/spawn")
    assert not page.is_visible("#home")
    page.fill("#nprocs", "9999")
    page.click("button[type=submit]")
    assert "9999 CPUs were asked for" in page.inner_text(".spawn-error-msg")


# For everybody: axe-core's rules, colours and sizes, the keyboard


def violations(page, **options):
    """What axe-core finds wrong with our part of the page, in words."""
    options = {"resultTypes": ["violations"], **options}
    found = Axe().run(page, context="#moss_form", options=options).response["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]], each["help"]) for each in found]


def picture(page, name):
    if folder := os.environ.get("MOSS_TEST_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def at_every_size(page, name, **options):
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        picture(page, f"{name}-{size}")
        assert violations(page, **options) == [], size


@pytest.mark.parametrize(
    ("scheme", "options"),
    [("light", {}), ("dark", {"runOnly": ["color-contrast"]})],  # in the dark, only the colours are others
    ids=["light", "dark"],
)
def test_axe_finds_nothing_wrong(open_page, scheme, options):
    """Both tabs, in both colour schemes, on a phone and on a desk, without a violation."""
    page = open_page(color_scheme=scheme)
    if jupyterhub.version_info >= (5, 2):  # the first with a dark scheme
        assert page.get_attribute("html", "data-bs-theme") == scheme
    page.check("input[name=partition_simple][value=gpu]", force=True)
    at_every_size(page, f"simple-{scheme}", **options)
    page.click("#advanced_tab_link")
    page.check("#environment_add_radio")
    page.fill("#nprocs", "999")
    at_every_size(page, f"advanced-{scheme}", **options)


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
