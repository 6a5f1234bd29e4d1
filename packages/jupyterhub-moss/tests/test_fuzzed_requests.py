"""Whatever a form, a link or a REST request contains: nothing of it is executed, and nothing managed is overridden."""

import asyncio
import getpass
import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lone_spawner import make_spawner

from jupyterhub_moss import MOSlurmSpawner
from jupyterhub_moss.errors import ConfirmLink, SpawnRefused
from mock_slurm.getopt import parse
from mock_slurm.options import SBATCH_FLAGS, directives

FIELDS = {
    "partition": "cpu", "runtime": "1:00:00", "nprocs": "2", "memory": "1G", "mem": "1G", "ngpus": "1", "gpu_type": "V100",
    "options": "--nice=1", "reservation": "lesson", "environment_id": "default", "environment_path": "/env/bin",
    "environment_modules": "R/4.4", "root_dir": "/home", "default_url": "/lab", "output": "true", "gres": "gpu:9",
    "account": "physics", "qos": "normal", "keep_as": "mine", "forget": "mine", "profile": "", "choice": "",
    "prologue": "", "cmd": "", "srun": "", "epilogue": "", "keepvars": "", "homedir": "", "jobname": "",
}  # fmt: skip
PIECES = [
    "$(touch marker)", "`touch marker`", ";touch marker;", "\ntouch marker\n", "|touch marker", "&touch marker&", "touch marker",
    "\n#SBATCH --partition=long\n", " --partition=long", "--uid=0", "-plong", "\r", "\x00", "\x0b", "\x1b[0m", "\u2028", "\u0085",
    "'", '"', "\\", "$", "{", "}", "{{cmd}}", "{% endif %}", "{cmd}", "%j", "#", "=", ":", ",", " ", "~", "!", "*", "[", "<", ">",
    "../", "/", "//", "é", "😀", "1", "0", "a", "cpu", "-", "--",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
MANAGED = (
    "partition",
    "time",
    "cpus-per-task",
    "mem",
    "gres",
    "job-name",
    "chdir",
    "export",
    "output",
    "uid",
    "requeue",
    "account",
    "qos",
)
#: The packaged script, and in it what a site's own script could do with text that users type.
SCRIPT = MOSlurmSpawner.batch_script.default_value.replace(
    "{{prologue}}", "{{prologue}}\n: {{root_dir}} \"{{environment_path}}\" '{{default_url}}' {{environment_id}}"
)
#: Requests in each way; MOSS_TEST_REQUESTS=5000 for a long search.
EXAMPLES = int(os.environ.get("MOSS_TEST_REQUESTS", "60"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


async def script_of(way, fields, folder):
    """The script of the job that a request leads to, with the options that it has; `SpawnRefused` if to none."""
    spawner = make_spawner(
        partitions={"cpu": {"jupyter_environments": {"default": {"description": "Env", "path": "/env/bin"}}}},
        slurm_info_cmd="echo cpu 0/1/0/1 8 0/8/0/8 gpu:V100:2 16000 1-00:00:00",
        slurm_accounts_cmd=f"echo '{getpass.getuser()}|physics||normal'",
        batch_script=SCRIPT,
        link_spawn="always",
        req_homedir=str(folder),
        req_srun="",
    )
    query = {name: [value] for name, value in fields.items()}
    if way == "form":
        options = await spawner.options_from_form(query)
    elif way == "link":
        options = await spawner.options_from_query({f"opt-{name}": value for name, value in query.items()})
    else:
        options = fields
        await spawner.check_user_options(spawner, options)
    spawner.user_options = options
    spawner._job = await spawner._resolve(options)
    command = spawner.cmd_formatted_for_batch()
    return await spawner._get_batch_script(**spawner.get_req_subvars(), cmd=command), spawner._job


def values_of(script):
    """The managed options that sbatch reads in a script, with every value that each is given."""
    found = {}
    for name, value in parse(SBATCH_FLAGS, directives(script)).options:
        if name in MANAGED:
            found.setdefault(name, []).append(value)
    return found


def expected(job, folder):
    variables = job.script_variables()
    output = variables["output"]
    given = {
        "job-name": "spawner-jupyterhub", "chdir": str(folder), "partition": "cpu", "time": variables["runtime"],
        "mem": variables["memory"], "cpus-per-task": str(variables["nprocs"]),
        "gres": f"gpu:V100:{job.options.ngpus}" if job.options.ngpus else "",
        "account": job.options.account, "qos": job.options.qos,
        "output": output if output == "/dev/null" else f"{folder}/slurm-%j.out",
    }  # fmt: skip
    return {name: [value] for name, value in given.items() if value}


def run(script, folder):
    """Run the script as Slurm would, where no program of the environment exists and `module` does nothing."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "BASH_FUNC_module%%": "() { :; }"}
    subprocess.run(["bash"], input=script.encode(), cwd=folder, env=environment, capture_output=True, timeout=300)


@pytest.mark.parametrize("way", ["form", "link", "rest"])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(st.sampled_from(sorted(FIELDS)), TEXTS, min_size=1, max_size=3), data=st.data())
def test_no_text_in_any_field_is_executed_or_overrides_what_the_server_sets(folder, way, changed, data):
    """A request is refused, or its job has the resources of its own fields, the server's directives, and no other command."""
    fields = {name: FIELDS[name] + text if data.draw(st.booleans()) else text for name, text in changed.items()}
    try:
        script, job = asyncio.run(script_of(way, {"partition": "cpu", **fields}, folder))
    except (SpawnRefused, ConfirmLink):
        return
    values = values_of(script)
    values.pop("export")
    assert values == expected(job, folder)
    run(script, folder)
    assert not (folder / "marker").exists()


@pytest.mark.parametrize("way", ["form", "link", "rest"])
def test_the_usual_values_are_accepted_in_every_way(folder, way):
    """Otherwise the test above would show nothing."""
    usual = {name: value for name, value in FIELDS.items() if value and name not in {"gres", "keep_as", "forget"}}
    script, job = asyncio.run(script_of(way, usual, folder))
    assert values_of(script)["time"] == ["1:00:00"]
    assert values_of(script)["account"] == ["physics"]
    assert job.options.reservation == "lesson"


def test_a_command_in_a_script_would_be_noticed(folder):
    """Otherwise the first test would show nothing."""
    run("#!/bin/bash\ntouch marker\n", folder)
    assert (folder / "marker").exists()
    (folder / "marker").unlink()
