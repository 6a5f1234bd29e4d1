"""Which links may start a server without a further question.

A link can be on anybody's page and is followed with the visitor's cookies, so what it starts must be something
the visitor could not regret: a configured environment with plain resources. Anything else opens the form.
"""

from collections.abc import Mapping
from typing import Any

from tornado.httputil import HTTPServerRequest

#: Keys that cannot make a job run code of the link's author.
PLAIN_KEYS = frozenset(
    {"partition", "runtime", "nprocs", "memory", "mem", "ngpus", "gpu_type", "environment_id", "output", "default_url"}
)
_PLAIN_PAGES = frozenset({"", "/", "/lab", "/tree"})
#: Keys that the form understands; a query without any of them is not about options.
KNOWN_KEYS = PLAIN_KEYS | {
    "options", "reservation", "account", "qos", "environment_path", "environment_modules", "root_dir",
}  # fmt: skip
#: Keys that name choices kept elsewhere: they fill in the form and start nothing.
NAMING_KEYS = ("profile", "choice")


def option_names(query: Mapping[str, Any]) -> dict[str, Any]:
    """The query with the names that the form uses.

    Links carry them with `opt-` in front. JupyterHub 6 takes that off, and then drops what has none; 5 hands on
    what was written.
    """
    marked = {name.removeprefix("opt-"): value for name, value in query.items() if name.startswith("opt-")}
    return marked or dict(query)


def from_elsewhere(request: HTTPServerRequest) -> bool:
    """Whether a browser says that another site caused the request, or that it is not a page being opened."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    destination = request.headers.get("Sec-Fetch-Dest", "document")
    return site == "cross-site" or destination not in {"document", "empty"}


def is_plain(options: Mapping[str, Any], environments: Mapping[str, Any]) -> bool:
    """Whether the options are resources and an environment from the configuration only."""
    if not KNOWN_KEYS.intersection(options) <= PLAIN_KEYS:
        return False
    if options.get("default_url", "") not in _PLAIN_PAGES:
        return False
    return not options.get("environment_id") or options["environment_id"] in environments
