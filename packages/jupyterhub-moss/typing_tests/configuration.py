"""What a user's type checker sees of jupyterhub_moss."""

from datetime import timedelta

from jupyterhub_moss import STATIC_FORM_PATH, STATIC_FORM_REGEX, MOSlurmSpawner, set_config, version
from jupyterhub_moss.models import PartitionAllResources, PartitionResources, UserOptions
from jupyterhub_moss.utils import create_prologue, file_hash, find, local_path, parse_gpu_resource, parse_timelimit


def resources(output: str) -> dict[str, PartitionResources]:
    """A site's own reading of its information command."""
    name, cpus = output.split()
    return {name: PartitionResources(max_nprocs=int(cpus), max_mem=1000, gpu="", max_ngpus=0, max_runtime=3600)}


class SiteSpawner(MOSlurmSpawner):
    """A site's own spawner."""


def texts() -> list[str]:
    """Every text that the package exports."""
    template, count = parse_gpu_resource("gpu:V100:2")
    return [
        STATIC_FORM_PATH,
        STATIC_FORM_REGEX,
        version,
        template,
        count,
        local_path("form"),
        file_hash(__file__),
        create_prologue("", "", "/env/bin", ""),
    ]


longest: timedelta = parse_timelimit("1:00:00")
first: int | None = find(lambda number: number > 1, [1, 2, 3])
options: UserOptions = UserOptions(partition="cpu", nprocs=2)
everything: PartitionAllResources | None = None
set_config(object())
