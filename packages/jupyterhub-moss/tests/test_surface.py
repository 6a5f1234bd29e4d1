"""What configurations and templates of existing sites rely on: names, values and defaults."""

import hashlib
from pathlib import Path

import pytest
from batchspawner import SlurmSpawner
from pydantic import ValidationError
from traitlets.config import Config

import jupyterhub_moss
from jupyterhub_moss import models, utils

ALL = {
    "max_nprocs": 8, "max_mem": 16000, "gpu": "", "max_ngpus": 0, "max_runtime": 60,
    "nnodes_total": 1, "nnodes_idle": 1, "ncores_total": 8, "ncores_idle": 8,
}  # fmt: skip


def test_the_assets_are_where_their_names_say():
    """A static route of the hub serves this folder."""
    assert jupyterhub_moss.STATIC_FORM_REGEX == "/form/(.*)"
    folder = Path(jupyterhub_moss.STATIC_FORM_PATH)
    assert folder.name == "form"
    assert {"option_form.css", "option_form.js"} <= {each.name for each in folder.iterdir()}
    assert folder == Path(utils.local_path("form"))
    assert Path(utils.local_path("templates/option_form.html")).is_file()
    assert isinstance(jupyterhub_moss.version, str)


def test_a_files_hash_is_its_sha256(tmp_path):
    """In hexadecimal."""
    (tmp_path / "x").write_bytes(b"abc")
    assert utils.file_hash(str(tmp_path / "x")) == hashlib.sha256(b"abc").hexdigest()


def test_find_returns_the_first_match_or_none():
    """Of any iterable."""
    assert utils.find(lambda number: number > 1, iter([1, 2, 3])) == 2
    assert utils.find(lambda number: number > 3, [1, 2, 3]) is None


def test_set_config_replaces_handlers_and_leaves_a_sites_templates_first():
    """Handlers that were there before are gone, as the documentation says."""
    c = Config()
    c.JupyterHub.extra_handlers = [("/other", object)]
    c.JupyterHub.template_paths = ["/site"]
    jupyterhub_moss.set_config(c)
    assert [pattern for pattern, *_ in c.JupyterHub.extra_handlers] == [jupyterhub_moss.STATIC_FORM_REGEX]
    site, ours = c.JupyterHub.template_paths
    assert site == "/site"
    assert Path(ours, "page.html").is_file()


def test_traits_have_the_documented_defaults():
    """Those of this package, and of batchspawner's the ones that configurations count on."""
    spawner = jupyterhub_moss.MOSlurmSpawner()
    assert isinstance(spawner, SlurmSpawner)
    assert spawner.batch_script == Path(utils.local_path("batch_script.sh")).read_text()
    traits = {
        "partitions": {}, "slurm_info_cmd": "sinfo -a --noheader -o '%R %F %c %C %G %m %l'",
        "singularity_cmd": ["singularity", "exec"], "start_timeout": 300, "ip": "0.0.0.0",
        "exec_prefix": "sudo -E -u {username}", "req_srun": "srun", "startup_poll_interval": 0.5, "poll_interval": 30,
        "batchspawner_singleuser_cmd": "batchspawner-singleuser", "batch_submit_cmd": "sbatch --parsable",
        "batch_query_cmd": "squeue -h -j {job_id} -o '%T %B'", "batch_cancel_cmd": "scancel {job_id}",
    }  # fmt: skip
    assert {name: getattr(spawner, name) for name in traits} == traits
    configurable = set(jupyterhub_moss.MOSlurmSpawner.class_traits(config=True))
    assert {"batch_script", "slurm_info_resources", *traits} <= configurable
    assert spawner.slurm_info_resources("cpu 0/1/0/1 8 0/8/0/8 (null) 16000 5:00")["cpu"].max_runtime == 300


def test_the_trait_has_every_default_of_a_partition_filled_in():
    """Code of a site that reads `partitions` finds all keys."""
    spawner = jupyterhub_moss.MOSlurmSpawner(
        partitions={"cpu": {"jupyter_environments": {"a": {"description": " A ", "modules": "m"}}}}
    )
    assert spawner.partitions["cpu"] == {
        "architecture": "", "description": "", "simple": True, "gpu": None, "max_ngpus": None, "max_nprocs": None,
        "max_runtime": None,
        "jupyter_environments": {
            "a": {"description": "A", "path": "", "modules": "m", "add_to_path": True, "prologue": ""}
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"max_nprocs": 0}, {"max_mem": 0}, {"max_ngpus": -1}, {"max_runtime": 0}, {"ncores_idle": -1}, {"racks": 3}],
)
def test_impossible_or_unknown_resources_are_refused(change):
    """Of a whole partition."""
    with pytest.raises(ValidationError):
        models.PartitionAllResources(**{**ALL, **change})


def test_a_sites_own_resources_may_have_more_fields():
    """They are kept, and reach the page."""
    assert models.PartitionResources(**ALL, racks=3).model_dump()["racks"] == 3
    assert models.PartitionInfo(**ALL, jupyter_environments={}, racks=3).model_dump()["racks"] == 3


@pytest.mark.parametrize(
    "model",
    [
        models.PartitionResources(**ALL),
        models.PartitionAllResources(**ALL),
        models.PartitionConfig(jupyter_environments={}),
        models.PartitionInfo(**ALL, jupyter_environments={}),
        models.UserOptions(partition="cpu"),
    ],
)
def test_no_model_can_be_changed(model):
    """What was checked stays as it was checked."""
    with pytest.raises(ValidationError):
        setattr(model, next(iter(model.model_dump())), "other")


def test_a_partition_without_environments_is_refused():
    """The key is required."""
    with pytest.raises(ValidationError):
        models.PartitionConfig.model_validate({})
