"""What is sent to and read from the versions of slurmrestd's interface since v0.0.39, as slurmrestd 24.11 showed them."""

import logging
from datetime import datetime

import pytest

from jupyterhub_moss import rest_reading
from jupyterhub_moss.access import Rules, read_associations
from jupyterhub_moss.gres import GpuType
from jupyterhub_moss.job_description import job_description, read_directives
from jupyterhub_moss.nodes import NodeType
from jupyterhub_moss.rest_client import RestError
from jupyterhub_moss.rest_reading import read_jobs, read_partitions, read_rules

UNSET = {"set": False, "infinite": False, "number": 0}
INFINITE = {"set": False, "infinite": True, "number": 0}


def given(number):
    return {"set": True, "infinite": False, "number": number}


JOB = {
    "job_id": 1, "batch_host": "cpu1", "user_name": "alice", "partition": "cpu", "name": "x y",
    "job_state": ["RUNNING"], "priority": given(4294901757), "start_time": given(1795345757),
    "end_time": given(1795346057), "time_limit": given(5), "state_reason": "None",
}  # fmt: skip
NODE = {
    "alloc_cpus": 0,
    "cpus": 32,
    "gres": "gpu:V100:2",
    "gres_used": "gpu:V100:0(IDX:N/A)",
    "partitions": ["gpu"],
    "real_memory": 64000,
    "state": ["IDLE"],
}
PARTITION = {
    "name": "gpu", "groups": {"allowed": "slurmvip"}, "accounts": {"allowed": "", "deny": "guests,students"},
    "qos": {"allowed": "", "deny": "", "assigned": ""},
    "maximums": {"time": given(720), "cpus_per_node": INFINITE, "partition_memory_per_node": given(0)},
}  # fmt: skip


def job(**changes):
    return read_jobs({"jobs": [{**JOB, **changes}]})["1"]


def test_a_running_job_has_its_times():
    """Start as squeue prints it, and the end as a moment."""
    start = datetime.fromtimestamp(1795345757).isoformat()  # noqa: DTZ006  # squeue prints local time
    assert job() == ("1", "RUNNING", "cpu1", "alice", "cpu", 4294901757, start, "None", "x y", 1795346057)


def test_a_job_whose_time_does_not_run_has_no_end():
    """It waits, is suspended, or has no limit."""
    waiting = job(job_state=["PENDING"], batch_host="", start_time=given(0), end_time=given(0), state_reason="Priority")
    assert (waiting.host, waiting.start, waiting.reason, waiting.ends_at) == ("n/a", "N/A", "Priority", None)
    assert job(job_state=["SUSPENDED"]).ends_at is None
    assert job(time_limit=INFINITE).ends_at is None


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        (["CANCELLED", "COMPLETING"], "COMPLETING"),
        (["RUNNING", "CONFIGURING"], "CONFIGURING"),
        (["PENDING", "REQUEUED"], "REQUEUED"),
        (["OUT_OF_MEMORY"], "OUT_OF_MEMORY"),
    ],
)
def test_a_transition_is_shown_in_place_of_what_it_leads_to(states, shown):
    """As squeue does."""
    assert job(job_state=states).state == shown


@pytest.mark.parametrize(
    ("node", "idle", "offline", "free", "free_gpus"),
    [
        ({}, 1, 0, 32, 2),
        ({"state": ["MIXED"], "alloc_cpus": 8, "gres_used": "gpu:V100:1(IDX:0)"}, 0, 0, 24, 1),
        ({"state": ["MIXED"], "alloc_cpus": 8, "gres_used": "gpu:2"}, 0, 0, 24, 0),
        ({"gres_used": ""}, 1, 0, 32, None),
        ({"state": ["IDLE", "DRAIN"]}, 0, 1, 0, 0),
        ({"state": ["MIXED", "DRAIN"], "alloc_cpus": 8}, 0, 0, 0, 0),
        ({"state": ["DOWN"]}, 0, 1, 0, 0),
        ({"state": ["UNKNOWN", "NOT_RESPONDING"]}, 0, 1, 0, 0),
    ],
)
def test_a_node_is_at_work_idle_or_offline(node, idle, offline, free, free_gpus):
    """A node that is drained while jobs run on it is at work, and none of its CPUs and GPUs is free; without its use in the answer, nobody knows."""
    found = read_partitions({"nodes": [{**NODE, **node}]}, {"partitions": [PARTITION]}, logging.getLogger())["gpu"]
    gpus = (GpuType("gpu:V100:{}", 2),)
    unused = None if free_gpus is None else (gpus[0]._replace(number=free_gpus),)
    assert found.node_types == (NodeType(32, 64000, gpus, 1, idle, offline, unused),)
    assert (found.nnodes_idle, found.ncores_idle, found.max_runtime) == (idle, free, 12 * 3600)


def test_a_partitions_rules_are_read():
    """An empty text allows everybody, and a limit of 0 is none."""
    assert read_rules({"partitions": [PARTITION]}) == {
        "gpu": Rules(groups=frozenset({"slurmvip"}), denied_accounts=frozenset({"guests", "students"}))
    }


@pytest.mark.parametrize("anywhere", [None, ""])
def test_associations_are_those_that_sacctmgr_shows(anywhere):
    """As slurmrestd 22.05 with slurmdbd gave them beside sacctmgr's lines; those of an account alone are nobody's."""
    entries = [
        {"user": None, "account": "physics", "partition": anywhere, "qos": ["normal"]},
        {"user": "alice", "account": "chem", "partition": "cpu", "qos": ["big", "normal"]},
        {"user": "alice", "account": "physics", "partition": anywhere, "qos": ["normal", "small"]},
    ]
    lines = "|physics||normal\nalice|chem|cpu|big,normal\nalice|physics||normal,small\n"
    assert rest_reading.read_associations({"associations": entries}) == read_associations(lines)


SCRIPT = """#!/bin/bash
#SBATCH --job-name=server --chdir=/home/alice   # a remark
#SBATCH -p cpu -t 1:30
#SBATCH --export=A,B=2
#SBATCH --mem 4G
#SBATCH --gres=gpu:V100:2,gpu:A100:1
#SBATCH --exclusive
#SBATCH --no-requeue
#SBATCH -p gpu

#SBATCH --account=physics
echo
#SBATCH --partition=too-late
"""


def test_directives_are_read_as_sbatch_reads_them():
    """Short and long, several in a line, the last of a name, up to the first command."""
    options = read_directives(SCRIPT)
    assert options["partition"] == "gpu"
    assert options["time"] == "1:30"
    assert options["exclusive"] is None
    assert options["account"] == "physics"


def test_a_submission_since_version_39():
    """Numbers are structures, variables a list, and the script is a field of the job."""
    assert job_description(SCRIPT, {"A": "1", "C": "3"}, "v0.0.40") == {
        "job": {
            "script": SCRIPT, "name": "server", "current_working_directory": "/home/alice", "partition": "gpu",
            "time_limit": given(2), "environment": ["A=1", "B=2"], "memory_per_node": given(4096),
            "tres_per_node": "gres/gpu:V100:2,gres/gpu:A100:1", "shared": ["none"], "requeue": False,
            "account": "physics",
        }
    }  # fmt: skip


def test_an_unlimited_time_and_an_empty_environment():
    """No limit is written as such; `--export=NONE` leaves the user's own variables, which the node adds."""
    script = "#!/bin/sh\n#SBATCH --time=UNLIMITED --export=NONE\n"
    sent = job_description(script, {"A": "1"}, "v0.0.42")["job"]
    assert sent["time_limit"] == {"set": True, "infinite": True, "number": 0}
    assert sent["environment"] == ["SLURM_GET_USER_ENV=1"]


@pytest.mark.parametrize("directive", ["--time=soon", "--mem=much", "--cpus-per-task=two", "--nice=very"])
def test_a_value_that_is_none_is_refused_by_name(directive):
    """Before anything is sent."""
    with pytest.raises(RestError, match=directive.partition("=")[0]):
        job_description(f"#!/bin/sh\n#SBATCH {directive}\n", {}, "v0.0.42")


@pytest.mark.parametrize("directive", ["no-option", "--", "'--comment=unbalanced"])
def test_a_directive_that_is_none_is_refused(directive):
    """It names what was not understood."""
    with pytest.raises(RestError, match="directive"):
        job_description(f"#!/bin/sh\n#SBATCH {directive}\n", {}, "v0.0.42")
