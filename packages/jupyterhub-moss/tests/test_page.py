"""The HTML of the spawn page."""

import json
import re

import batchspawner
import jupyterhub
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_moss.choices import Filling, NamedChoice
from jupyterhub_moss.facts import Facts
from jupyterhub_moss.gres import GpuType
from jupyterhub_moss.models import PartitionAllResources, PartitionNodes
from jupyterhub_moss.nodes import NodeType
from jupyterhub_moss.page import json_in_single_quotes, render_page
from jupyterhub_moss.partitions import complete_partitions
from jupyterhub_moss.utils import file_hash, local_path

SIZE = {"nnodes_total": 3, "nnodes_idle": 1, "ncores_total": 24, "ncores_idle": 8}
CPU = PartitionAllResources(max_nprocs=8, max_mem=16000, gpu="", max_ngpus=0, max_runtime=300, **SIZE)
GPU = PartitionAllResources(max_nprocs=32, max_mem=128000, gpu="gpu:V100:{}", max_ngpus=2, max_runtime=86400, **SIZE)
ENVIRONMENT = {"description": "Default", "path": "/env", "prologue": "export SECRET=1"}
CONFIG = {
    "hidden": {"simple": False, "jupyter_environments": {"default": ENVIRONMENT}},
    "cpu": {"description": "CPU nodes", "jupyter_environments": {"default": ENVIRONMENT}},
    "mem": {"jupyter_environments": {"default": ENVIRONMENT, "other": {"description": "Other", "modules": "x"}}},
}
FACTS = Facts({"hidden": CPU, "cpu": CPU, "mem": GPU}, 0, "", known=True)
EMPTY = Filling()
NAMES = {
    "partition_simple", "nprocs_simple", "ngpus_simple", "environment_simple", "jupyterlab_simple", "runtime_simple",
    "partition", "nprocs", "mem", "ngpus", "runtime", "default_url", "environment_id", "environment_path",
    "environment_modules", "output", "reservation", "options",
}  # fmt: skip
IDS = [
    "simple_tab_link",
    "advanced_tab_link",
    "home",
    "menu1",
    "minimumCore",
    "twoCores",
    "fourCores",
    "quarterCore",
    "0Gpu",
    "gpu_simple",
    "environment_simple",
    "environment_simple_default",
    "environment_simple_custom",
    "jupyterlab_simple",
    "runtime_simple",
    "partition",
    "nprocs",
    "max_nprocs_span",
    "mem",
    "mem_input",
    "max_mem_span",
    "ngpus",
    "max_ngpus_span",
    "runtime",
    "default_url",
    "default_url_hidden_input",
    "jupyter_environments",
    "jupyter_environments_default",
    "jupyter_environments_custom",
    "environment_path",
    "environment_modules",
    "environment_add_radio",
    "environment_add_name",
    "environment_add_path",
    "environment_add_modules",
    "environment_add_button",
    "output",
    "reservation",
    "options",
    "hidden",
    "cpu",
]


def render(config=CONFIG, facts=FACTS, template_path=(), filling=EMPTY, named=(), accounts=None, **options):
    partitions = complete_partitions(config, facts)
    return render_page(
        partitions,
        facts=facts,
        missing=[name for name in config if name not in partitions],
        base_url="/base/hub/",
        template_path=template_path,
        filling=filling,
        named=named,
        accounts=accounts or {},
        resources_url="/base/hub/api/users/alice/moss/resources",
        refresh_seconds=10,
        **{"link_spawn": "plain", **options},
    )


def data_of(html):
    return json.loads(re.search(r"window\.SLURM_DATA = JSON\.parse\('(.*)'\)", html).group(1))


def test_the_form_has_the_names_and_ids_that_sites_rely_on():
    """Every documented control name and element id is there, each id once."""
    page = BeautifulSoup(render(), "html.parser")
    assert {control["name"] for control in page.select("[name]")} >= NAMES
    ids = [element["id"] for element in page.select("[id]")]
    assert len(ids) == len(set(ids))
    assert set(IDS) - {"hidden"} <= set(ids)


@pytest.mark.parametrize(
    ("link_spawn", "form", "start"),
    [("plain", "any other shows this form", "starts a server at once"), ("always", "", "starts this server at once"),
     ("never", "is shown this form", "")],
)  # fmt: skip
def test_the_link_to_share_says_what_it_does(link_spawn, form, start):
    """Which links start a server is the administrator's choice."""
    words = BeautifulSoup(render(link_spawn=link_spawn), "html.parser").select_one("label[for=share_link]").text
    assert ("this form" in words, "at once" in words) == (bool(form), bool(start))
    assert form in words
    assert start in words


def test_a_partition_named_like_a_field_does_not_take_its_id():
    """Partition "mem" gets the id partition-mem; the field keeps mem."""
    page = BeautifulSoup(render(), "html.parser")
    assert page.find(id="mem")["name"] == "mem"
    assert page.find(id="partition-mem")["value"] == "mem"


def test_the_data_is_json_between_single_quotes():
    """The text between the quotes is JSON with partitions and default_partition, without prologues."""
    data = data_of(render())
    assert list(data["partitions"]) == ["hidden", "cpu", "mem"]
    assert data["default_partition"] == "cpu"
    assert data["partitions"]["mem"]["max_ngpus"] == 2
    assert "SECRET" not in json.dumps(data)


def test_assets_come_from_the_hub_with_their_fingerprint():
    """Style sheet and script are named below the hub's base URL with a version."""
    assert re.search(r'href="/base/hub/form/option_form.css\?v=[0-9a-f]{64}"', render())
    assert re.search(r'src="/base/hub/form/option_form.js\?v=[0-9a-f]{64}"', render())


def test_nothing_is_loaded_from_elsewhere():
    """No address on the page leads to another host."""
    page = BeautifulSoup(render(), "html.parser")
    for element in page.select("[src], [href]"):
        assert not re.match(r"\w*:?//", element.get("src") or element.get("href"))


def test_descriptions_are_text():
    """Markup and quotes in a description are shown, and reach the script unharmed."""
    nasty = """<script>alert('x')</script> "quoted" \\ back & it's"""
    config = {"cpu": {"description": nasty, "jupyter_environments": {"a'b": {"description": nasty, "modules": "m"}}}}
    html = render(config)
    page = BeautifulSoup(html, "html.parser")
    assert len(page.find_all("script")) == len(BeautifulSoup(render(), "html.parser").find_all("script"))
    assert page.select_one(".moss-card-text").get_text() == nasty


@given(st.recursive(st.text(max_size=20), lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3)))
def test_the_script_gets_exactly_the_data(data):
    """A JavaScript string literal in single quotes, parsed as JSON, is the data; nothing ends the script element."""
    text = str(json_in_single_quotes(data))
    assert not re.search(r"['<>&\n\r\u2028\u2029]", text)
    assert json.loads(read_javascript_string(text)) == data


def read_javascript_string(text):
    """What a JavaScript engine makes of the inside of a string literal."""
    escape = re.compile(r"\\(u([0-9a-f]{4})|.)")
    plain = escape.sub(lambda match: chr(int(match[2], 16)) if match[2] else match[1], text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@given(st.dictionaries(st.text(st.sampled_from("abz019 _-:/.")), st.integers()))
def test_data_without_quotes_is_plain_json(data):
    """Text without quotes, backslashes and angle brackets is embedded as json.dumps writes it."""
    embedded = str(json_in_single_quotes(data))
    assert embedded == json.dumps(data)


def test_a_page_without_slurm_says_so_and_still_works():
    """When Slurm never answered, the page explains and offers the configured partitions without limits."""
    html = render(facts=Facts({}, 0, "Unable to contact slurm controller", known=False))
    assert "Slurm is not answering" in html
    assert data_of(html)["partitions"]["cpu"]["max_nprocs"] is None


def test_a_page_with_old_data_says_how_old():
    """When Slurm answered before, the last table is shown with its age."""
    html = render(facts=FACTS._replace(age=300, error="timed out"))
    assert "about 5 minutes ago" in html
    assert "8 of 24" in html


def test_free_gpus_are_in_the_table_and_on_the_card():
    """By kind where there are several; a partition without GPUs says so, and one of which Slurm does not tell, too."""
    kinds = (
        NodeType(32, 128000, (GpuType("gpu:A:{}", 4),), 2, 2, 0, (GpuType("gpu:A:{}", 5),)),
        NodeType(32, 64000, (GpuType("gpu:B:{}", 2),), 1, 1, 0, (GpuType("gpu:B:{}", 0),)),
    )
    facts = FACTS._replace(
        resources={**FACTS.resources, "cpu": PartitionNodes(**{**dict(GPU), "gpu": "gpu:A:{}"}, node_types=kinds)}
    )
    page = BeautifulSoup(render(facts=facts), "html.parser")
    row = page.select_one("#menu1 tr[data-partition=cpu]")
    assert row.select_one("[data-free=ngpus]").get_text().strip() == "5 of 10"
    assert [line.get_text() for line in row.select(".moss-gpus li")] == ["5 of 8 A", "0 of 2 B"]
    assert page.select_one("[data-free-gpus=cpu]").get_text() == "5"
    shown = {name: page.select_one(f"#menu1 tr[data-partition={name}] [data-label='Free GPUs']") for name in CONFIG}
    assert shown["hidden"].get_text().strip() == "none"
    assert shown["mem"].get_text().strip() == "unknown"


@pytest.mark.parametrize(("left_out", "simple"), [("hidden", ["cpu", "mem"]), ("", ["hidden", "cpu", "mem"])])
def test_the_simple_tab_has_a_table_of_its_own_partitions(left_out, simple):
    """The Advanced tab's table has all."""
    config = {name: {**each, "simple": name != left_out} for name, each in CONFIG.items()}
    page = BeautifulSoup(render(config), "html.parser")
    tables = {
        tab: [row["data-partition"] for row in page.select(f"#{tab} tr[data-partition]")] for tab in ("home", "menu1")
    }
    assert tables == {"home": simple, "menu1": ["hidden", "cpu", "mem"]}


def test_a_partition_that_slurm_lost_is_left_out():
    """A configured partition that Slurm does not report is named in a notice and cannot be chosen."""
    html = render(facts=FACTS._replace(resources={"cpu": CPU}))
    assert "Not available in Slurm at the moment: hidden, mem" in html
    assert list(data_of(html)["partitions"]) == ["cpu"]


def test_a_link_fills_in_the_form():
    """Values of a link are in the fields, escaped, with a notice that nothing was started."""
    html = render(filling=Filling({"partition": "mem", "nprocs": "3", "options": '"><b>'}, "link"))
    page = BeautifulSoup(html, "html.parser")
    assert page.find(id="nprocs")["value"] == "3"
    assert page.find(id="options")["value"] == '"><b>'
    assert page.select_one("#partition option[selected]")["value"] == "mem"
    assert "Nothing has been started yet" in html


def test_a_site_overrides_blocks(tmp_path):
    """option_form.html of the hub's template_path extends the packaged one and sees its variables and its macro."""
    (tmp_path / "option_form.html").write_text(
        """{% extends "templates/option_form.html" %}
        {% block stylesheet %}<link rel="stylesheet" href="ours.css">{{ super() }}{% endblock %}
        {% block simple_tab_footer %}<p>ours {{ default_partition }} {{ hash_option_form_css }} {{ hash_option_form_js }}
          {{ option_form_css }} {{ option_form_js }} {{ jupyterhub_version }} {{ batchspawner_version }}</p>
          <p id="data">{{ jsondata }}</p>{% endblock %}
        {% block advanced_tab_footer %}{{ resource_tab_footer(partitions, true) }}
          <p>{{ partitions.mem.jupyter_environments.default }}</p>{% endblock %}"""
    )
    page = BeautifulSoup(render(template_path=[str(tmp_path)]), "html.parser")
    css, js = (file_hash(local_path(f"form/option_form.{kind}")) for kind in ("css", "js"))
    urls = [f"/base/hub/form/option_form.css?v={css}", f"/base/hub/form/option_form.js?v={js}"]
    versions = [jupyterhub.__version__, batchspawner.__version__]
    assert page.select_one("#home > p").get_text().split() == ["ours", "cpu", css, js, *urls, *versions]
    assert list(json.loads(page.select_one("#data").get_text())) == ["partitions", "default_partition"]
    assert [link["href"] for link in page.select("link")] == ["ours.css", urls[0]]
    (table,) = page.select("table")
    assert [row["data-partition"] for row in table.select("tr[data-partition]")] == ["cpu", "mem"]
    assert "Default" in page.select_one("#menu1 > p").get_text()
    assert "SECRET" not in page.get_text()


@pytest.mark.parametrize(
    ("simple", "default"), [({"cpu"}, "cpu"), ({"mem", "cpu"}, "cpu"), (set(), "hidden"), ({"mem"}, "mem")]
)
def test_the_first_partition_of_the_simple_tab_is_the_default(simple, default):
    """Where none is on it, the first of all is, and the page is there."""
    config = {name: {**partition, "simple": name in simple} for name, partition in CONFIG.items()}
    assert data_of(render(config))["default_partition"] == default


def test_named_choices_are_links_that_fill_in_the_form():
    """Profiles and kept choices are relative links; names are escaped; a kept one can be removed."""
    named = [NamedChoice("profile", "GPU & day", "A <whole> day"), NamedChoice("choice", "mine")]
    page = BeautifulSoup(render(named=named, filling=Filling({}, "named", ("choice", "mine"))), "html.parser")
    assert [link["href"] for link in page.select(".moss-named a")] == ["?opt-profile=GPU+%26+day", "?opt-choice=mine"]
    assert "A <whole> day" in page.select_one(".moss-named").get_text()
    assert [link.get_text(strip=True) for link in page.select("a[aria-current]")] == ["mine"]
    assert [box["value"] for box in page.select("input[name=forget]")] == ["mine"]


def test_accounts_are_offered_to_who_has_several():
    """One account and one QOS are no choice; of several, each QOS knows its accounts."""
    assert not BeautifulSoup(render(accounts={"physics": ["normal"]}), "html.parser").select("#account, #qos")
    accounts = {"chem": ["high", "normal"], "physics": ["normal"]}
    page = BeautifulSoup(render(accounts=accounts, filling=Filling({"account": "physics"}, "last")), "html.parser")
    assert [option["value"] for option in page.select("#account option")] == ["", "chem", "physics"]
    assert page.select_one("#account option[selected]")["value"] == "physics"
    assert {option["value"]: option.get("data-accounts") for option in page.select("#qos option")} == {
        "": None,
        "high": "chem",
        "normal": "chem physics",
    }


@pytest.mark.parametrize("control", ["select", "input:not([type=hidden])", "textarea"])
def test_every_control_has_a_label(control):
    """Each visible control is named by a label."""
    accounts = {"chem": ["high"], "physics": ["normal"]}
    page = BeautifulSoup(render(named=[NamedChoice("choice", "mine")], accounts=accounts), "html.parser")
    for element in page.select(control):
        assert element.find_parent("label") or page.find("label", attrs={"for": element["id"]}), element
