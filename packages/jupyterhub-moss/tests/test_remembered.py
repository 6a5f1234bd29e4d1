"""The form shows again what was started last."""

from jupyterhub_moss.facts import Facts
from jupyterhub_moss.job import resolve_job
from jupyterhub_moss.partitions import complete_partitions
from jupyterhub_moss.remembered import last_choice

ENVIRONMENT = {"description": "Default", "path": "/env", "modules": "m"}
PARTITIONS = complete_partitions(
    {"cpu": {"jupyter_environments": {"default": ENVIRONMENT}}}, Facts({}, 0, "", known=False)
)


def started(**asked):
    job = resolve_job({"partition": "cpu", **asked}, PARTITIONS, default_prologue="", allowed_options=["nice"])
    return last_choice(job.options.model_dump(), PARTITIONS)


def test_what_was_asked_for_is_shown_again():
    """Values that a user typed come back; what the server computed does not."""
    asked = {"nprocs": "3", "memory": "0", "runtime": "2:00:00", "options": "--nice=3", "output": "true"}
    shown = started(**asked)
    assert {key: shown[key] for key in asked} == asked
    assert shown["environment_id"] == "default"
    assert not {"environment_path", "environment_modules", "gres", "prologue"} & set(shown)


def test_an_own_environment_is_shown_again():
    """Path and modules that a user typed come back."""
    assert started(environment_path="/mine")["environment_path"] == "/mine"


def test_a_partition_that_is_gone_is_forgotten():
    """Nothing is filled in for a partition that is not offered any more, nor before the first start."""
    assert last_choice({"partition": "gone"}, PARTITIONS) == {}
    assert last_choice({}, PARTITIONS) == {}
