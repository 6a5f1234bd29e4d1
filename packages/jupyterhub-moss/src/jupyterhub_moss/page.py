"""Rendering the spawn page: an untrusted-by-default template and its data."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

import batchspawner  # type: ignore[import-untyped]
import jupyterhub  # type: ignore[import-untyped]
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from markupsafe import Markup

from jupyterhub_moss.choices import Filling, NamedChoice
from jupyterhub_moss.facts import Conclusions, Facts
from jupyterhub_moss.files import file_hash, local_path
from jupyterhub_moss.partitions import Partition
from jupyterhub_moss.presentation import FILTERS, gpu_words, node_words

TEMPLATES = local_path("templates")
_shared_public: Conclusions[Mapping[str, Any]] = Conclusions()
_NOT_IN_SCRIPT = re.compile(r"['<>&\x7f-\U0010ffff]")


def _escape_sequence(match: re.Match[str]) -> str:
    # UTF-16 code units: JavaScript's \u takes four digits
    units = match.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def json_in_single_quotes(data: object) -> Markup:
    """JSON for the inside of a JavaScript string in single quotes, in an HTML script element.

    Backslashes are doubled for the string literal; quotes, angle brackets, ampersands and everything beyond ASCII
    become escape sequences. JSON without such characters is left as it is.
    """
    text = json.dumps(data, ensure_ascii=False).replace("\\", "\\\\")
    return Markup(_NOT_IN_SCRIPT.sub(_escape_sequence, text))  # noqa: S704  # escaped on this line


@cache
def _environment(search_path: tuple[str, ...]) -> Environment:
    packaged = PrefixLoader({"templates": FileSystemLoader(TEMPLATES)})
    loader = ChoiceLoader([packaged, FileSystemLoader([*search_path, TEMPLATES])])
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(FILTERS)
    return environment


def asset_urls(base_url: str) -> dict[str, str]:
    """The addresses of the style sheet and the scripts, under the names that templates know."""
    urls = {}
    for name in ("option_form.css", "option_form.js", "live_resources.js"):
        digest = _digest(name)
        variable = name.replace(".", "_")
        urls[variable] = f"{base_url.rstrip('/')}/form/{name}?v={digest}"
        urls[f"hash_{variable}"] = digest
    return urls


@cache
def _digest(name: str) -> str:
    return file_hash(local_path(f"form/{name}"))


def default_partition(partitions: Mapping[str, Partition]) -> str:
    """The first partition of the Simple tab, else the first at all, else nothing."""
    simple = (name for name, partition in partitions.items() if partition.config.simple)
    return next(simple, next(iter(partitions), ""))


def notice(facts: Facts, missing: Iterable[str]) -> str:
    """What the page says when Slurm does not answer or does not have a configured partition."""
    if facts.error and facts.known:
        minutes = max(1, round(facts.age / 60))
        return (f"Slurm is not answering. The table shows what was free about {minutes} "
                f"minute{'s' if minutes > 1 else ''} ago; a server can still be requested.")  # fmt: skip
    if facts.error:
        return ("Slurm is not answering, so free resources and limits are not known. "
                "A server can still be requested; it starts when Slurm is back.")  # fmt: skip
    names = ", ".join(missing)
    return f"Not available in Slurm at the moment: {names}." if names else ""


def public_partitions(partitions: Mapping[str, Partition]) -> Mapping[str, Any]:
    """The partitions as the page, its script and the endpoint show them."""
    return _shared_public.get(partitions, None, lambda: _public_partitions(partitions))


def _public_partitions(partitions: Mapping[str, Partition]) -> Mapping[str, Any]:
    shown = {name: partition.public() for name, partition in partitions.items()}
    for partition in shown.values():
        for node in partition["node_types"]:
            node["words"] = node_words(node)
        for gpu in partition["gpu_types"]:
            gpu["words"] = gpu_words(gpu)
    return shown


def live_resources(partitions: Mapping[str, Partition], facts: Facts, missing: Iterable[str]) -> dict[str, Any]:
    """What changes on an open page; `age` in seconds is None while Slurm never answered."""
    return {
        "partitions": public_partitions(partitions),
        "age": round(facts.age) if facts.known else None,
        "stale": bool(facts.error),
        "notice": notice(facts, missing),
    }


def _shown(choice: NamedChoice, filling: Filling) -> dict[str, Any]:
    key = (choice.key, choice.name)
    # relative: the page may be for another user, or for a server with a name
    return {**choice._asdict(), "href": f"?{urlencode([(f'opt-{key[0]}', key[1])])}", "current": filling.name == key}


def _accounts_of_qos(accounts: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for account, qos in accounts.items():
        for each in qos:
            found.setdefault(each, []).append(account)
    return dict(sorted(found.items()))


def render_page(
    partitions: Mapping[str, Partition],
    *,
    facts: Facts,
    missing: Iterable[str],
    base_url: str,
    template_path: Iterable[str],
    filling: Filling,
    named: Iterable[NamedChoice],
    accounts: Mapping[str, Iterable[str]],
    resources_url: str,
    refresh_seconds: float,
    link_spawn: str,
) -> str:
    """The HTML of the form; `option_form.html` in `template_path` goes before the packaged one."""
    public = public_partitions(partitions)
    default = default_partition(partitions)
    context: dict[str, Any] = {
        **asset_urls(base_url),
        "partitions": public,
        "default_partition": default,
        "batchspawner_version": batchspawner.__version__,
        "jupyterhub_version": jupyterhub.__version__,
        "jsondata": json_in_single_quotes({"partitions": public, "default_partition": default}),
        "prefill": dict(filling.fields),
        "prefilled": filling.origin in {"link", "refused"},
        "remembered": filling.origin in {"named", "last"},
        "from_link": filling.origin == "link",
        "named": [_shown(choice, filling) for choice in named],
        "accounts": {account: list(qos) for account, qos in accounts.items()},
        "accounts_of_qos": _accounts_of_qos(accounts),
        "notice": notice(facts, missing),
        "resources_url": resources_url,
        "refresh_seconds": refresh_seconds,
        "link_spawn": link_spawn,
        "stale": bool(facts.error),
    }
    template = _environment(tuple(template_path)).get_template("option_form.html")
    return template.render(context)
