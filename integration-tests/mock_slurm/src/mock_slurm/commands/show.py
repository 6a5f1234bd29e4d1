"""scontrol's descriptions of jobs, nodes and partitions."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mock_slurm.commands.jobfields import JobView
from mock_slurm.commands.nodefields import gres_used
from mock_slurm.config import PartitionSpec
from mock_slurm.controller import Controller
from mock_slurm.hostlist import compress
from mock_slurm.job import Job
from mock_slurm.quantities import UNLIMITED, long_elapsed, mebibytes, timestamp
from mock_slurm.resources import Node

__all__ = ["describe_job", "describe_node", "describe_partition", "joined", "tres"]


def joined(blocks: list[list[str]], *, one_line: bool) -> str:
    """Descriptions as scontrol prints them: indented lines and a blank one, or one line each."""
    if one_line:
        return "".join(" ".join(block) + "\n" for block in blocks)
    return "".join("\n   ".join(block) + "\n\n" for block in blocks)


def tres(cpus: int, memory: int, nodes: int | None, gpus: int) -> str:
    """Trackable resources: `cpu=4,mem=2000M,node=1,billing=4,gres/gpu=2`."""
    parts = [f"cpu={cpus}", f"mem={mebibytes(memory)}"]
    if nodes is not None:
        parts.append(f"node={nodes}")
    return ",".join([*parts, f"billing={cpus}", *([f"gres/gpu={gpus}"] if gpus else [])])


def describe_job(job: Job, controller: Controller) -> list[str]:
    """Lines about a job."""
    view = JobView(job, controller, controller.now())
    return [*_job_head(job), *_job_times(job, view), *_job_place(job, view), *_job_files(job)]


def _job_head(job: Job) -> list[str]:
    request = job.request
    return [
        f"JobId={job.id} JobName={request.name}",
        f"UserId={job.user}({job.uid}) GroupId={job.user}({job.gid}) MCS_label=N/A",
        f"Priority={job.priority} Nice={request.nice} Account={request.account or '(null)'} QOS={request.qos}",
        (
            f"JobState={job.shown_state} Reason={job.reason.replace(' ', '_')}"
            f" Dependency={request.dependency or '(null)'}"
        ),
        (
            f"Requeue={int(request.requeue)} Restarts={job.restarts} BatchFlag=1 Reboot=0"
            f" ExitCode={job.exit_code}:{job.exit_signal}"
        ),
    ]


def _limit(minutes: int | None, none: str = "NONE") -> str:
    if minutes is None:
        return none
    return "UNLIMITED" if minutes == UNLIMITED else long_elapsed(minutes * 60)


def _job_times(job: Job, view: JobView) -> list[str]:
    request = job.request
    eligible = max(request.begin or 0.0, job.eligible or 0.0, job.submitted)
    return [
        f"RunTime={long_elapsed(view.used)} TimeLimit={_limit(request.time_limit)} TimeMin=N/A",
        f"SubmitTime={timestamp(job.submitted)} EligibleTime={timestamp(eligible)}",
        f"AccrueTime={timestamp(eligible)}",
        (
            f"StartTime={timestamp(view.start, 'Unknown')} EndTime={timestamp(view.end, 'Unknown')}"
            f" Deadline={timestamp(request.deadline)}"
        ),
        (
            f"SuspendTime={timestamp(job.suspended_since, 'None')} SecsPreSuspend=0"
            f" LastSchedEval={timestamp(view.now)} Scheduler=Main"
        ),
    ]


def _job_place(job: Job, view: JobView) -> list[str]:
    request = job.request
    nodes = compress(view.shown_nodes)
    memory = sum(job.memory.values()) or _asked_memory(view)
    gpus = sum(request.gres_counts.values()) * view.node_count
    oversubscribe = "NO" if request.exclusive else "OK"
    return [
        f"Partition={request.partition} AllocNode:Sid=localhost:0",
        f"ReqNodeList={compress(request.nodelist) or '(null)'} ExcNodeList={compress(request.exclude) or '(null)'}",
        f"NodeList={nodes}" + (f" SchedNodeList={compress(job.scheduled_nodes)}" if job.scheduled_nodes else ""),
        *([f"BatchHost={view.exec_host}"] if nodes else []),
        (
            f"NumNodes={view.node_count} NumCPUs={view.cpus} NumTasks={request.ntasks}"
            f" CPUs/Task={request.cpus_per_task} ReqB:S:C:T=0:0:*:*"
        ),
        f"TRES={tres(view.cpus, memory, view.node_count, gpus)}",
        "Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=*",
        f"MinCPUsNode={request.cpus_per_task} {_memory_line(view)} MinTmpDiskNode=0",
        f"Features={request.features or '(null)'} DelayBoot=00:00:00",
        *([f"Reservation={request.reservation}"] if request.reservation else []),
        f"OverSubscribe={oversubscribe} Contiguous=0 Licenses=(null) Network=(null)",
    ]


def _asked_memory(view: JobView) -> int:
    request = view.job.request
    if request.memory is not None:
        return request.memory
    per_cpu = request.memory_per_cpu
    default = view.controller.config.partitions[request.partition].def_mem_per_cpu
    return view.cpus * (default if per_cpu is None else per_cpu)


def _memory_line(view: JobView) -> str:
    kind = "CPU" if view.job.request.memory is None else "Node"
    return f"MinMemory{kind}={view.minimum_memory}"


def _job_files(job: Job) -> list[str]:
    request = job.request
    return [
        f"Command={request.command or '(null)'}",
        f"WorkDir={request.workdir}",
        *([f"Comment={request.comment}"] if request.comment else []),
        f"StdErr={request.stderr}",
        f"StdIn={request.stdin}",
        f"StdOut={request.stdout}",
        "Power=",
        *([f"TresPerNode=gres:{request.gres}"] if request.gres else []),
        "",
    ]


def describe_node(node: Node, controller: Controller, partitions: Sequence[str], *, detail: bool) -> list[str]:
    """Lines about a node; `partitions` are those that the caller may see."""
    spec, busy = node.spec, node.cpus_allocated
    features = ",".join(spec.features) or "(null)"
    started = timestamp(controller.booted)
    release = os.uname()
    return [
        f"NodeName={spec.name} Arch={release.machine} CoresPerSocket={spec.cores_per_socket} ",
        f"CPUAlloc={busy} CPUEfctv={spec.cpus} CPUTot={spec.cpus} CPULoad=0.00",
        f"AvailableFeatures={features}",
        f"ActiveFeatures={features}",
        f"Gres={spec.gres or '(null)'}",
        *(["GresDrain=N/A", f"GresUsed={gres_used(node)}"] if detail else []),
        f"NodeAddr=127.0.0.1 NodeHostName={release.nodename} Port=6818 Version={controller.config.version}",
        f"OS={release.sysname} {release.release} {release.version} ",
        (
            f"RealMemory={spec.memory} AllocMem={node.memory_allocated} FreeMem={spec.memory - node.memory_allocated}"
            f" Sockets={spec.sockets} Boards=1"
        ),
        f"State={_node_state(node)} ThreadsPerCore={spec.threads_per_core} TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A",
        f"Partitions={','.join(partitions)} ",
        f"BootTime={started} SlurmdStartTime={started}",
        f"LastBusyTime={started}",
        f"CfgTRES={tres(spec.cpus, spec.memory, None, sum(spec.gres_counts.values()))}",
        f"AllocTRES={_allocated(node)}",
        "CapWatts=n/a",
        "CurrentWatts=0 AveWatts=0",
        "ExtSensorsJoules=n/s ExtSensorsWatts=0 ExtSensorsTemp=n/s",
        *([f"Reason={node.reason} [{node.reason_by}@{timestamp(node.reason_at)}]"] if node.reason else []),
    ]


def _allocated(node: Node) -> str:
    if not node.cpus_allocated:
        return ""
    gpus = sum(len(taken) for kind, taken in node.gres_used().items() if kind.startswith("gpu"))
    parts = [f"cpu={node.cpus_allocated}", f"mem={mebibytes(node.memory_allocated)}"]
    return ",".join([*parts, *([f"gres/gpu={gpus}"] if gpus else [])])


def _node_state(node: Node) -> str:
    if node.mark == "DOWN":
        return "DOWN"
    base = {"idle": "IDLE", "mixed": "MIXED", "allocated": "ALLOCATED"}
    use = "idle" if not node.cpus_allocated else "mixed" if node.cpus_allocated < node.spec.cpus else "allocated"
    return base[use] + ("+DRAIN" if node.mark == "DRAIN" else "")


def describe_partition(part: PartitionSpec, controller: Controller) -> list[str]:
    """Lines about a partition."""
    nodes = [controller.config.nodes[name] for name in part.nodes]
    cpus, memory = sum(node.cpus for node in nodes), sum(node.memory for node in nodes)
    gpus = sum(count for node in nodes for kind, count in node.gres_counts.items() if kind.startswith("gpu"))
    groups = ",".join(part.allow_groups) or "ALL"
    return [
        f"PartitionName={part.name}",
        f"AllowGroups={groups} AllowAccounts=ALL AllowQos=ALL",
        f"AllocNodes=ALL Default={_yes(part.default)} QoS=N/A",
        (
            f"DefaultTime={_limit(part.default_time)} DisableRootJobs=NO ExclusiveUser=NO GraceTime=0"
            f" Hidden={_yes(part.hidden)}"
        ),
        f"MaxNodes=UNLIMITED MaxTime={_limit(part.max_time)} MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED",
        f"Nodes={compress(part.nodes)}",
        f"PriorityJobFactor=1 PriorityTier={part.priority_tier} RootOnly=NO ReqResv=NO OverSubscribe=NO",
        f"OverTimeLimit=NONE PreemptMode={part.preempt_mode}",
        f"State={part.state} TotalCPUs={cpus} TotalNodes={len(nodes)} SelectTypeParameters=NONE",
        "JobDefaults=(null)",
        f"DefMemPerCPU={part.def_mem_per_cpu} MaxMemPerNode=UNLIMITED",
        f"TRES={tres(cpus, memory, len(nodes), gpus)}",
    ]


def _yes(value: bool) -> str:
    return "YES" if value else "NO"
