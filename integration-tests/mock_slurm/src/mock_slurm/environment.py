"""What a job finds in its environment, and where its output goes."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path

from .config import ClusterConfig
from .hostlist import compress
from .job import Job

__all__ = ["exported", "job_environment", "output_path", "user_environment"]

_PATTERN = re.compile(r"%([0-9]*)([%AaJjNnstuxb])")


def exported(rule: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The submitter's variables that `--export` lets through: ALL, NONE, or a list of names and NAME=value."""
    slurm = {name: value for name, value in environment.items() if name.startswith("SLURM_")}
    if rule is None or rule.upper() == "ALL":
        return dict(environment)
    if rule.upper() == "NONE":
        return slurm
    chosen: dict[str, str] = {}
    for item in rule.split(","):
        name, equals, value = item.partition("=")
        if name.upper() == "ALL":
            chosen = {**environment, **chosen}
        elif equals:
            chosen[name] = value
        elif name in environment:
            chosen[name] = environment[name]
    return {**slurm, **chosen}


def user_environment(user: str, config: ClusterConfig) -> dict[str, str]:
    """What a login would set, for `--get-user-env` and `--export=NONE`."""
    base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "USER": user, "LOGNAME": user}
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return {**base, **config.user_environment}
    return {**base, "HOME": account.pw_dir, "SHELL": account.pw_shell, **config.user_environment}


def output_path(job: Job, pattern: str) -> str:
    """The absolute path that an --output or --error pattern means for this job; a backslash turns patterns off."""
    if "\\" in pattern:
        return os.path.join(job.request.workdir, pattern.replace("\\", ""))
    values = {
        "%": "%", "A": str(job.id), "j": str(job.id), "J": str(job.id), "a": "4294967294", "u": job.user,
        "x": job.request.name, "N": "%N", "n": "0", "s": "batch", "t": "0", "b": "4294967294",
    }  # fmt: skip

    def replace(match: re.Match[str]) -> str:
        text = values[match[2]]
        return text.zfill(int(match[1])) if match[1] and text.isdigit() else text

    return os.path.join(job.request.workdir, _PATTERN.sub(replace, pattern))


def job_environment(job: Job, config: ClusterConfig, bin_dir: Path) -> dict[str, str]:
    """The submitter's exported variables with Slurm's own over them."""
    inherited = dict(job.request.environment)
    path = inherited.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    # srun must be found, as it is on a node where Slurm is installed.
    if str(bin_dir) not in path.split(":"):
        path = f"{bin_dir}:{path}"
    values = {"TMPDIR": "/tmp", **inherited, "PATH": path, **_slurm_variables(job, config), **_gpu_variables(job)}  # noqa: S108 - as Slurm does
    values.pop("SLURM_UMASK", None)
    return values


def _slurm_variables(job: Job, config: ClusterConfig) -> dict[str, str]:
    request, node = job.request, job.nodes[0]
    nodelist, cpus = compress(job.nodes), job.allocation[node]
    per_node = _repeated([job.allocation[name] for name in job.nodes])
    values = {
        "SLURM_JOB_ID": job.id, "SLURM_JOBID": job.id,
        "SLURM_JOB_NODELIST": nodelist, "SLURM_NODELIST": nodelist, "SLURM_JOB_NUM_NODES": len(job.nodes),
        "SLURM_NNODES": len(job.nodes), "SLURM_JOB_PARTITION": request.partition,
        "SLURM_JOB_CPUS_PER_NODE": per_node, "SLURM_CPUS_ON_NODE": cpus, "SLURM_JOB_USER": job.user,
        "SLURM_JOB_UID": job.uid, "SLURM_JOB_GID": job.gid, "SLURM_JOB_ACCOUNT": request.account,
        "SLURM_JOB_QOS": request.qos, "SLURM_SUBMIT_DIR": request.submit_dir, "SLURM_SUBMIT_HOST": os.uname().nodename,
        "SLURM_CLUSTER_NAME": config.cluster, "SLURM_NODEID": 0, "SLURM_PROCID": 0, "SLURM_LOCALID": 0,
        "SLURM_GTIDS": 0, "SLURM_TASKS_PER_NODE": _tasks_per_node(job), "SLURMD_NODENAME": node,
        "SLURM_NODE_ALIASES": "(null)", "SLURM_TOPOLOGY_ADDR": node, "SLURM_TOPOLOGY_ADDR_PATTERN": "node",
        "ENVIRONMENT": "BATCH", "HOSTNAME": node, "SLURM_PRIO_PROCESS": 0,
        "SLURM_WORKING_CLUSTER": f"{config.cluster}:{config.controller_host}:6817:9728:109",
    }  # fmt: skip
    values.update(_asked(job))
    return {name: str(value) for name, value in values.items()}


def _asked(job: Job) -> dict[str, object]:
    request = job.request
    values: dict[str, object] = {}
    # The real one sets this for a name from the command line or a directive, and a script's file name.
    if request.name_given:
        values["SLURM_JOB_NAME"] = request.name
    if request.ntasks_given:
        values["SLURM_NTASKS"] = values["SLURM_NPROCS"] = request.ntasks
    if request.cpus_given:
        values["SLURM_CPUS_PER_TASK"] = request.cpus_per_task
    if request.memory is not None:
        values["SLURM_MEM_PER_NODE"] = job.memory[job.nodes[0]]
    else:
        values["SLURM_MEM_PER_CPU"] = job.memory[job.nodes[0]] // max(job.allocation[job.nodes[0]], 1)
    if job.restarts:
        values["SLURM_RESTART_COUNT"] = job.restarts
    if request.reservation:
        values["SLURM_JOB_RESERVATION"] = request.reservation
    return values


def _gpu_variables(job: Job) -> dict[str, str]:
    share = job.gres.get(job.nodes[0], {})
    indices = sorted(index for kind, each in share.items() if kind.startswith("gpu") for index in each)
    if not indices:
        return {}
    text = ",".join(map(str, indices))
    return {
        "CUDA_VISIBLE_DEVICES": text, "GPU_DEVICE_ORDINAL": text, "ROCR_VISIBLE_DEVICES": text,
        "ZE_AFFINITY_MASK": text,
        "SLURM_JOB_GPUS": text, "SLURM_GPUS_ON_NODE": str(len(indices)),
    }  # fmt: skip


def _tasks_per_node(job: Job) -> str:
    left, counts = job.request.ntasks, []
    for name in job.nodes:
        tasks = min(left, max(job.allocation[name] // job.request.cpus_per_task, 1))
        counts.append(tasks)
        left -= tasks
    return _repeated(counts)


def _repeated(numbers: list[int]) -> str:
    """`8(x2),4`, Slurm's way of writing 8, 8, 4."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][0] == number:
            parts[-1][1] += 1
        else:
            parts.append([number, 1])
    return ",".join(f"{number}(x{count})" if count > 1 else str(number) for number, count in parts)
