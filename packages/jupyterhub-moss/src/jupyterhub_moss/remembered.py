"""What a user started last, as the form shows it again; the hub keeps it with the server."""

from collections.abc import Mapping
from typing import Any

from jupyterhub_moss.links import KNOWN_KEYS
from jupyterhub_moss.partitions import Partition


def last_choice(options: Mapping[str, Any], partitions: Mapping[str, Partition]) -> dict[str, str]:
    """The fields of the form for options that were accepted before; nothing if their partition is not offered now."""
    partition = partitions.get(str(options.get("partition", "")))
    if partition is None:
        return {}
    fields = {key: str(value) for key, value in options.items() if key in KNOWN_KEYS and value not in ("", None)}
    if fields.get("environment_id") in partition.environments:
        # stored as the configuration had them; they are taken from it again
        fields.pop("environment_path", None)
        fields.pop("environment_modules", None)
    # the first is added for whole nodes, and added again if it is needed again
    fields["options"] = fields.get("options", "").removeprefix("--exclusive").strip()
    fields["output"] = "true" if fields.get("output") == "slurm-%j.out" else ""
    return fields
