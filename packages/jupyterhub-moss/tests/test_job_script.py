"""The job script that Slurm gets: the packaged template, and a site's own."""

import asyncio
import subprocess

import pytest
from lone_spawner import make_spawner

from jupyterhub_moss.errors import SubmissionError

ENVIRONMENTS = {
    "default": {"description": "Env", "path": "$HOME/env/bin/"},
    "apart": {"description": "Not on PATH", "path": "/apart/bin", "add_to_path": False},
    "modules": {"description": "Modules", "modules": "JupyterLab/4.2 R"},
    "image": {"description": "Image", "path": "/images/lab 2.sif"},
}
SINFO = "echo 'gpu 0/1/0/1 8 0/8/0/8 gpu:V100:2 16000 1-00:00:00'"


@pytest.fixture
def submitted(tmp_path):
    """Submit a request by a command that keeps what sbatch would get; the script and its directives."""

    def submit(request, **traits):
        file = tmp_path / "script"
        spawner = make_spawner(
            **{
                "partitions": {"gpu": {"jupyter_environments": ENVIRONMENTS}},
                "slurm_info_cmd": SINFO,
                "batch_submit_cmd": f"cat >{file} && echo 7",
                "req_homedir": "/home/alice",
                "environment": {"PATH": "/bin"},
                "env_keep": [],
                **traits,
            }
        )
        spawner._job = asyncio.run(spawner._resolve({"partition": "gpu", **request}))
        assert asyncio.run(spawner.submit_batch_script()) == "7"
        script = file.read_text()
        head = script[: script.index("\n\n")].splitlines()
        return script, [line.removeprefix("#SBATCH ") for line in head], spawner

    return submit


def exported(directive):
    return set(directive.removeprefix("--export=").split(","))


def test_the_directives_are_in_their_order(submitted):
    """Those of the request between the spawner's own; the last ones, which win, keep the job findable."""
    request = {
        "runtime": "1:30", "memory": "8G", "ngpus": 1, "nprocs": 2, "reservation": "lesson", "options": "--nice=3",
        "output": "true",
    }  # fmt: skip
    _, directives, spawner = submitted(request)
    export = directives.pop(3)
    assert directives == [
        "#!/bin/bash", "--job-name=spawner-jupyterhub", "--chdir=/home/alice", "--get-user-env",
        "--output=/home/alice/slurm-%j.out", "--partition=gpu", "--time=1:30:00", "--mem=8G", "--gres=gpu:V100:1",
        "--cpus-per-task=2", "--reservation=lesson", "--nice=3", f"--job-name={spawner.job_name}", "--no-requeue",
    ]  # fmt: skip
    assert {"PATH", "JUPYTERHUB_API_TOKEN"} <= exported(export)


def test_what_was_not_asked_for_has_no_directive(submitted):
    """Slurm's and the partition's defaults hold."""
    _, directives, spawner = submitted({})
    assert directives[4:] == [
        "--get-user-env", "--output=/dev/null", "--partition=gpu", "--cpus-per-task=1", f"--job-name={spawner.job_name}",
        "--no-requeue",
    ]  # fmt: skip


def test_each_submission_exports_the_variables_of_its_moment(submitted):
    """A variable that was configured meanwhile is there, and one that is gone is not."""
    for name, other in (("ONE", "TWO"), ("TWO", "ONE")):
        _, directives, _ = submitted({}, environment={"PATH": "/bin", name: "1"})
        assert name in exported(directives[3])
        assert other not in exported(directives[3])


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        ("default", 'srun "$HOME/env/bin/batchspawner-singleuser" "$HOME/env/bin/jupyterhub-singleuser"'),
        ("apart", "srun /apart/bin/batchspawner-singleuser /apart/bin/jupyterhub-singleuser"),
        ("modules", "srun batchspawner-singleuser jupyterhub-singleuser"),
        ("image", "srun singularity exec '/images/lab 2.sif' batchspawner-singleuser jupyterhub-singleuser"),
    ],
)
def test_the_command_is_that_of_the_environment(submitted, environment, command):
    """In its folder, by name where there is none, or in its container."""
    script, _, _ = submitted({"environment_id": environment})
    assert f"until {command}" in script
    on_path = ['export PATH="$HOME/env/bin/:$PATH"'] if environment == "default" else []
    assert [line for line in script.splitlines() if "PATH=" in line] == on_path


def test_a_script_tells_of_its_end(submitted, tmp_path):
    """It runs the site's prologue, says that it was asked to end and that the server did, and runs the epilogue."""
    script, _, _ = submitted(
        {"environment_id": "modules"},
        req_prologue="module() { echo $1 $2 $3; }",
        req_epilogue="echo the epilogue",
        req_srun="",
        batchspawner_singleuser_cmd="sh -c 'kill -TERM $PPID'",
    )
    done = subprocess.run(["bash"], input=script, env={}, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "load JupyterLab/4.2 R",
        "The job was asked to end (SIGTERM)",
        "The Jupyter server ended gracefully",
        "the epilogue",
    ]


def test_a_sites_own_script_knows_every_option(submitted):
    """By the names that user_options have, numbers as numbers, beside the site's own req_ traits."""
    names = [
        "partition", "runtime", "nprocs", "memory", "ngpus", "options", "reservation", "environment_id", "environment_path",
        "environment_modules", "root_dir", "default_url", "output", "gres", "account", "homedir",
    ]  # fmt: skip
    template = (
        "".join(f"{name} {{{{{name}}}}}\n" for name in names) + "{% if ngpus %}with{% else %}without{% endif %} GPUs\n"
    )
    own = {"batch_script": f"#!/bin/sh\n\n{template}\n", "req_account": "usual"}
    script, _, _ = submitted({"root_dir": "/data", "default_url": "/lab/tree/x.ipynb", "memory": "1g"}, **own)
    lines = [line.rstrip() for line in script.splitlines() if line[:1] not in {"#", ""}]
    assert lines == [
        "partition gpu", "runtime", "nprocs 1", "memory 1G", "ngpus 0", "options", "reservation", "environment_id default",
        "environment_path $HOME/env/bin/", "environment_modules", "root_dir /data", "default_url /lab/tree/x.ipynb",
        "output /dev/null", "gres", "account usual", "homedir /home/alice", "without GPUs",
    ]  # fmt: skip


@pytest.mark.parametrize("place", ["echo {}", 'echo "{}"', "echo '{}'", "cat <<END\n{}\nEND", "# {}"])
@pytest.mark.parametrize(
    "text", ["/$(touch marker)", "/`touch marker`", "/;touch marker;'\";touch marker;\"'", "/x\\' & touch marker #"]
)
def test_what_users_type_is_not_run_wherever_a_script_has_it(submitted, tmp_path, place, text):
    """A site's own script may have put it inside quotes, or not."""
    names = ["environment_id", "environment_path", "root_dir", "default_url"]
    own = "".join(f"{place.format('{{' + name + '}}')}\n" for name in names)
    script, _, _ = submitted(dict.fromkeys(names, text), batch_script=f"#!/bin/sh\n\n{own}")
    done = subprocess.run(["bash"], input=script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not (tmp_path / "marker").exists()
    if place == "echo {}":
        assert done.stdout.splitlines() == [text] * len(names)


def test_a_folder_and_a_page_are_taken_as_they_were_typed():
    """JupyterHub formats both: braces stay braces; a start without them has what is configured."""
    spawner = make_spawner(
        partitions={"gpu": {"jupyter_environments": ENVIRONMENTS}},
        slurm_info_cmd=SINFO,
        batch_submit_cmd="echo 'sbatch: error: no' >&2; false",
        default_url="/tree/{username}",
        req_homedir="/home/alice",
    )

    def pages(**request):
        spawner.user_options = {"partition": "gpu", **request}
        with pytest.raises(SubmissionError):
            asyncio.run(spawner.start())
        environment = spawner.get_env()
        return environment.get("JUPYTERHUB_ROOT_DIR"), environment["JUPYTERHUB_DEFAULT_URL"]

    assert pages(root_dir="/{nosuch}/{username}", default_url="/lab/{0}") == ("/{nosuch}/{username}", "/lab/{0}")
    assert pages() == (None, "/tree/alice")
