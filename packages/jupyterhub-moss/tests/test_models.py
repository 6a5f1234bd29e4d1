"""The schemas of configuration and requests."""

import pytest
from pydantic import ValidationError

from jupyterhub_moss.facts import Facts
from jupyterhub_moss.models import JupyterEnvironment, PartitionConfig, PartitionsTrait, UserOptions
from jupyterhub_moss.partitions import complete_partitions

ENVIRONMENT = {"description": "Default", "path": "/env/bin"}


def test_a_partition_needs_only_environments():
    """Everything but jupyter_environments has a default; what Slurm knows stays None."""
    partition = PartitionConfig.model_validate({"jupyter_environments": {"default": ENVIRONMENT}})
    assert partition.model_dump() == {
        "architecture": "", "description": "", "simple": True, "gpu": None, "max_ngpus": None, "max_nprocs": None,
        "max_runtime": None,
        "jupyter_environments": {
            "default": {"description": "Default", "path": "/env/bin", "modules": "", "add_to_path": True, "prologue": ""}
        },
    }  # fmt: skip


def test_an_empty_gpu_template_means_no_gpus():
    """gpu="" with max_ngpus above zero gives max_ngpus 0."""
    assert PartitionConfig(jupyter_environments={}, gpu="", max_ngpus=4).max_ngpus == 0


@pytest.mark.parametrize(
    "wrong",
    [{"max_ngpu": 1}, {"max_nprocs": 0}, {"max_runtime": -1}, {"max_ngpus": -1}, {"jupyter_environments": None}],
)
def test_misspelt_keys_and_impossible_limits_are_refused(wrong):
    """An unknown key or a limit out of range is an error."""
    with pytest.raises(ValidationError):
        PartitionsTrait.model_validate({"cpu": {"jupyter_environments": {}, **wrong}})


@pytest.mark.parametrize(
    "wrong",
    [{"description": "  "}, {"path": "/x"}, {"description": "x", "modules": ""}, {"description": "x", "paths": "/x"}],
)
def test_an_environment_needs_a_description_and_something_to_start(wrong):
    """A blank or missing description, empty modules without a path and unknown keys are refused."""
    with pytest.raises(ValidationError):
        JupyterEnvironment.model_validate(wrong)


def test_models_cannot_be_changed():
    """Schemas are frozen."""
    with pytest.raises(ValidationError):
        JupyterEnvironment(**ENVIRONMENT).path = "/other"


def test_options_have_the_documented_defaults():
    """Only the partition is required."""
    assert UserOptions(partition="cpu").model_dump() == {
        "partition": "cpu", "runtime": "", "nprocs": 1, "memory": "", "ngpus": 0, "options": "", "reservation": "",
        "environment_id": "", "environment_path": "", "environment_modules": "", "root_dir": "", "default_url": "",
        "output": "/dev/null", "gres": "", "prologue": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"partition": ""}, {"runtime": "soon"}, {"runtime": "0"}, {"runtime": "0:00:00"}, {"nprocs": 0},
        {"nprocs": "two"}, {"memory": "8GB"}, {"memory": "-1"}, {"ngpus": -1}, {"reservation": "a b"},
        {"reservation": "--x"}, {"environment_path": "relative"}, {"environment_path": "/a:/b"},
        {"environment_modules": "a;b"}, {"environment_modules": "-x"}, {"default_url": "lab"},
        {"default_url": "//evil.example"}, {"default_url": "/\\evil.example"}, {"options": "a\nb"},
        {"root_dir": "/a\rb"}, {"root_dir": "a\x0bb"}, {"options": "a\u2028b"}, {"partition": "c\x00pu"},
    ],
)  # fmt: skip
def test_malformed_options_are_refused(wrong):
    """Each field has a grammar; control characters pass in none."""
    with pytest.raises(ValidationError):
        UserOptions.model_validate({"partition": "cpu", **wrong})


@pytest.mark.parametrize(("text", "kept"), [("8g", "8G"), ("0", "0"), ("000", "0"), ("512M", "512M"), ("0T", "0")])
def test_memory_is_written_as_slurm_reads_it(text, kept):
    """Suffixes become capitals and every zero becomes 0."""
    assert UserOptions(partition="cpu", memory=text).memory == kept


@pytest.mark.parametrize(
    ("given", "kept"), [("true", "slurm-%j.out"), ("yes", "/dev/null"), ("/etc/passwd", "/dev/null"), ("", "/dev/null")]
)
def test_output_is_one_of_two_files(given, kept):
    """Only `true` keeps a log; no other file can be named."""
    assert UserOptions(partition="cpu", output=given).output == kept


def test_an_environment_of_whatever_is_on_path_can_be_used():
    """Leaving out path and modules is allowed, also once its defaults were filled in."""
    configured = PartitionsTrait.model_validate(
        {"cpu": {"jupyter_environments": {"default": {"description": "On PATH"}}}}
    ).model_dump()
    partitions = complete_partitions(configured, Facts({}, 0, "no answer", known=False))
    assert partitions["cpu"].environments["default"].path == ""
