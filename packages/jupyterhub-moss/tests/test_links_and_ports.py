"""What may come in without a form: links, and the port report of a starting server."""

from pathlib import Path

import pytest
from tornado import web
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

import jupyterhub_moss
from jupyterhub_moss.handlers import PortHandler, read_port
from jupyterhub_moss.links import from_elsewhere, is_plain, option_names


def request(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPServerRequest(
        start_line=RequestStartLine("GET", "/hub/spawn", "HTTP/1.1"), headers=HTTPHeaders({"Host": "hub"} | named)
    )


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({}, False),
        ({"Sec_Fetch_Site": "none", "Sec_Fetch_Dest": "document"}, False),
        ({"Sec_Fetch_Site": "same-origin"}, False),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "document"}, True),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Dest": "image"}, True),
    ],
)
def test_a_browser_tells_where_a_request_comes_from(headers, elsewhere):
    """A request caused by another site, or for an image, is not a link that a person followed here."""
    assert from_elsewhere(request(**headers)) is elsewhere


@pytest.mark.parametrize(
    "options",
    [
        {"partition": "cpu", "nprocs": "4", "memory": "8G", "ngpus": "1", "runtime": "1:00:00", "output": "true"},
        {"partition": "cpu", "environment_id": "default", "default_url": "/lab"},
        {"partition": "cpu", "next": "/elsewhere"},
    ],
)
def test_resources_and_configured_environments_are_plain(options):
    """Such a link cannot run code of its author."""
    assert is_plain(options, {"default": {}})


@pytest.mark.parametrize(
    "more",
    [
        {"environment_path": "/home/eve"}, {"environment_modules": "evil"}, {"options": "--nice=1"},
        {"reservation": "r"}, {"root_dir": "/"}, {"environment_id": "nosuch"}, {"default_url": "/lab/tree/evil.ipynb"},
    ],
)  # fmt: skip
def test_everything_else_needs_a_person(more):
    """A link with a custom environment, extra options or a file to open is shown as a form."""
    assert not is_plain({"partition": "cpu", **more}, {"default": {}})


def test_ours_is_the_only_port_handler():
    """Importing the package replaced batchspawner's handler in JupyterHub's list."""
    from jupyterhub import apihandlers

    (handler,) = [entry[1] for entry in apihandlers.default_handlers if entry[0] == "/api/batchspawner"]
    assert handler is PortHandler


@pytest.mark.parametrize("port", [1024, 65535])
def test_a_port_is_an_integer_in_range(port):
    """Unprivileged ports are accepted."""
    assert read_port({"port": port}) == port


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"port": 1023}, {"port": 65536}, {"port": "8888"}, {"port": True}, {"port": 8888.0},
     {"port": 8888, "cmd": "id"}, {"cmd": "id"}],
)  # fmt: skip
def test_any_other_report_is_refused(body):
    """Other types, ranges and keys are errors."""
    with pytest.raises(web.HTTPError) as refused:
        read_port(body)
    assert refused.value.status_code == 400


def test_set_config_sets_three_values():
    """The spawner class and one static route are assigned, a folder of templates is added, nothing else."""
    from tornado.web import StaticFileHandler
    from traitlets.config import Config

    c = Config()
    jupyterhub_moss.set_config(c)
    assert c.JupyterHub.spawner_class is jupyterhub_moss.MOSlurmSpawner
    assert c.JupyterHub.extra_handlers == [
        (jupyterhub_moss.STATIC_FORM_REGEX, StaticFileHandler, {"path": jupyterhub_moss.STATIC_FORM_PATH})
    ]
    own, usual = c.JupyterHub.template_paths.get_value(["usual"])
    assert (Path(own) / "home.html").is_file()
    assert usual == "usual"
    assert sum(len(section) for section in c.values()) == 3


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"opt-partition": ["cpu"], "opt-nprocs": ["2"]}, {"partition": ["cpu"], "nprocs": ["2"]}),
        ({"partition": ["cpu"]}, {"partition": ["cpu"]}),
        ({"opt-partition": ["cpu"], "nprocs": ["2"]}, {"partition": ["cpu"]}),
    ],
)
def test_links_mean_the_same_on_every_supported_hub(query, names):
    """Names with `opt-` in front are options; beside them, names without it are dropped."""
    assert option_names(query) == names
