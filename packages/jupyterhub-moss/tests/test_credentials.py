"""The server's token reaches neither the log nor a message, and a wrong partition is named without its values."""

import logging

import pytest

from jupyterhub_moss.credentials import RedactedLog, tokens_of
from jupyterhub_moss.spawner import MOSlurmSpawner
from jupyterhub_moss.submission import refusal
from pentad_config import ConfigError
from pentad_config.exposure import exposures

TOKEN = "0123456789abcdef0123456789abcdef"


def test_a_log_line_is_written_without_the_token(caplog):
    """Also when it is inside an environment that somebody logs as a whole."""
    held = tokens_of({"JUPYTERHUB_API_TOKEN": TOKEN, "PATH": "/bin"})
    assert len(held) == 1
    log = RedactedLog(logging.getLogger("spawner"))
    with caplog.at_level(logging.DEBUG, "spawner"):
        log.debug("Job environment: %s", {"JUPYTERHUB_API_TOKEN": TOKEN})
        log.info("100% plain")
        try:
            raise RuntimeError("no")
        except RuntimeError:
            log.exception("failed")
    assert TOKEN not in caplog.text
    assert "Job environment: {'JUPYTERHUB_API_TOKEN': '<redacted>'}" in caplog.text
    assert "100% plain" in caplog.text
    assert "RuntimeError: no" in caplog.text
    assert caplog.records[0].funcName == "test_a_log_line_is_written_without_the_token"


def test_a_token_is_held_as_a_secret():
    """No attribute of ours is the text, under either of the names that JupyterHub has given it."""
    environment = {"JUPYTERHUB_API_TOKEN": TOKEN, "JPY_API_TOKEN": TOKEN, "JUPYTERHUB_SSL_KEYFILE": "/certs/key"}
    held = tokens_of(environment)
    assert [secret.name for secret in held] == ["JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"]
    spawner = MOSlurmSpawner()
    spawner._tokens = held
    assert exposures(spawner, TOKEN, "jupyterhub_moss") == []
    assert TOKEN not in f"{vars(spawner)} {held}"


def test_what_slurm_says_is_shown_without_the_token():
    """sbatch repeats what it was given when it refuses it."""
    held = tokens_of({"JUPYTERHUB_API_TOKEN": TOKEN})
    assert len(held) == 1
    message = refusal(f"sbatch: error: invalid export {TOKEN}\n")
    assert message == "Slurm did not accept the job: invalid export <redacted>"


def test_a_wrong_partition_is_named_with_its_place():
    """Every problem at once, where it is and what is wanted."""
    with pytest.raises(ConfigError) as caught:
        MOSlurmSpawner(partitions={"gpu": {"jupyter_environments": {"a": {"description": ""}}, "max_nprocs": 0}})
    assert [problem.setting for problem in caught.value.problems] == [
        "c.MOSlurmSpawner.partitions.gpu.jupyter_environments.a.description",
        "c.MOSlurmSpawner.partitions.gpu.max_nprocs",
    ]
    assert "errors.pydantic" not in str(caught.value)
