"""What becomes of jobs: limits, cancellation, users, preemption, nodes that fail."""

import os
from pathlib import Path

import pytest

from mock_slurm import MockSlurm, MockSlurmError
from mock_slurm.steps import process_start


def _text(path, marker=""):
    return path.read_text() if path.exists() and marker in path.read_text() else ""


def test_a_job_over_its_time_limit_ends_as_timeout(tmp_path):
    """After --time the job gets TERM, becomes TIMEOUT, and its output says why."""
    with MockSlurm(tmp_path / "state", {"minute_seconds": 0.5, "kill_wait": 60}) as cluster:
        job = cluster.sbatch("sleep 300", "--time=1", "-D", str(tmp_path), "-o", "out")
        found = cluster.wait_for(job, "TIMEOUT")
    assert (found["reason"], found["exit_signal"]) == ("TimeLimit", 15)
    assert found["ended"] - found["started"] >= 0.5
    assert "DUE TO TIME LIMIT" in (tmp_path / "out").read_text()


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "COMPLETED"])
def test_scancel_works_in_every_state(cluster, submit, state):
    """scancel ends a job whatever it does, and says nothing about one that is already over."""
    options = ["--hold"] if state == "PENDING" else []
    script = "true" if state == "COMPLETED" else "trap '' TERM; touch ready; sleep 300 & wait; sleep 300"
    job = submit(script, *options)
    if state != "PENDING":
        cluster.wait_for(job, "COMPLETED" if state == "COMPLETED" else "RUNNING")
    if state == "SUSPENDED":
        assert cluster.run("scontrol", "suspend", str(job)).returncode == 0
    if state == "COMPLETING":
        cluster.run("scancel", str(job))
    done = cluster.run("scancel", str(job))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    cluster.wait_for(job, "COMPLETED" if state == "COMPLETED" else "CANCELLED")


def test_scancel_during_configuring_ends_the_job_without_a_process(tmp_path):
    """A job whose prolog still runs is cancelled at once and never starts."""
    with MockSlurm(tmp_path / "state", {"prolog_seconds": 300}) as cluster:
        job = cluster.sbatch("touch started", "-D", str(tmp_path))
        cluster.wait_for(job, "CONFIGURING")
        cluster.run("scancel", str(job))
        cluster.wait_for(job, "CANCELLED")
        assert not (tmp_path / "started").exists()


def test_a_job_that_is_cancelled_at_once_ends(cluster, submit):
    """Cancelling in the moment of the start is not lost, although no process exists yet."""
    jobs = [submit("sleep 300") for _ in range(4)]
    for job in jobs:
        cluster.run("scancel", str(job))
    for job in jobs:
        cluster.wait_for(job, "CANCELLED")


def test_a_background_process_dies_with_its_job(cluster, submit, tmp_path):
    """What a script leaves behind in a session of its own ends with the job."""
    job = submit("setsid sleep 300 & echo $! > pid")
    cluster.wait_for(job, "COMPLETED")
    assert process_start(int((tmp_path / "pid").read_text())) is None


def test_an_unprivileged_user_cannot_cancel_anothers_job(cluster, submit):
    """scancel of somebody else's job ends with 210, and the job runs on; root may."""
    job = submit("sleep 300", user="alice")
    cluster.wait_for(job, "RUNNING")
    assert cluster.run("scancel", str(job), user="bob").returncode == 210
    assert cluster.job(job)["state"] == "RUNNING"
    assert cluster.run("scancel", str(job), user="root").returncode == 0
    assert cluster.wait_for(job, "CANCELLED")["cancelled_by"] == 0


def test_accounting_outlives_the_queue(tmp_path, wait_until):
    """After MinJobAge squeue no longer knows the job, and sacct still does."""
    with MockSlurm(tmp_path / "state", {"min_job_age": 0.1}) as cluster:
        job = cluster.sbatch("exit 2", "-D", str(tmp_path))
        cluster.wait_for(job, "FAILED")
        wait_until(lambda: cluster.run("squeue", "-h", "-j", str(job)).returncode != 0)
        assert cluster.run("squeue", "-h", "-j", str(job)).stderr == (
            "slurm_load_jobs error: Invalid job id specified\n"
        )
        rows = cluster.run("sacct", "-nP", "-j", str(job), "--format=JobID,State,ExitCode,DerivedExitCode").stdout
        assert rows == f"{job}|FAILED|2:0|0:0\n{job}.batch|FAILED|2:0|\n"


def test_a_higher_tier_preempts(cluster, submit):
    """A job of the cpu partition takes the node from a scavenge job, which ends as PREEMPTED."""
    weak = submit("sleep 300", "-p", "scavenge", "-w", "cpu1", "-c", "8", "-t", "300")
    cluster.wait_for(weak, "RUNNING")
    strong = submit("sleep 300", "-p", "cpu", "-w", "cpu1", "-c", "8", "-t", "300")
    cluster.wait_for(strong, "RUNNING")
    assert cluster.job(weak)["state"] == "PREEMPTED"


def test_a_node_that_goes_down_loses_its_jobs_or_requeues_them(cluster, submit):
    """With --no-requeue the job is NODE_FAIL; otherwise it runs again under its id."""
    lost = submit("sleep 300", "-w", "cpu2", "--no-requeue", "-t", "300")
    again = submit("sleep 300", "-t", "300", "-x", "cpu1,cpu3")
    for job in (lost, again):
        cluster.wait_for(job, "RUNNING")
    cluster.run("scontrol", "update", "nodename=cpu2", "state=down", "reason=test")
    assert cluster.wait_for(lost, "NODE_FAIL")["reason"] == "NodeDown"
    cluster.wait_for(again, "PENDING")
    cluster.run("scontrol", "update", "nodename=cpu2", "state=resume")
    assert cluster.wait_for(again, "RUNNING")["restarts"] == 1


def test_a_short_job_fills_the_gap_in_front_of_a_waiting_one(cluster, submit):
    """Backfill: a later job starts first when it is over before the earlier one could start."""
    first = submit("sleep 300", "-w", "cpu3", "-c", "10", "-t", "100")
    cluster.wait_for(first, "RUNNING")
    wide = submit("sleep 300", "-w", "cpu3", "-c", "16", "-t", "100")
    cluster.wait_for(wide, "PENDING")
    short = submit("sleep 300", "-w", "cpu3", "-c", "2", "-t", "10")
    long = submit("sleep 300", "-w", "cpu3", "-c", "2", "-t", "1000")
    cluster.wait_for(short, "RUNNING")
    assert cluster.job(long)["state"] == "PENDING"
    start = cluster.run("squeue", "--start", "-h", "-j", str(wide), "-o", "%S %Y").stdout.split()
    assert start[0] != "N/A"
    assert start[1] == "cpu3"


def test_a_job_can_use_slurm_itself(cluster, submit, tmp_path):
    """Inside a job srun runs programs and squeue finds the job."""
    job = submit("srun --ntasks=1 -n 1 sh -c 'echo step'; squeue -h -j $SLURM_JOB_ID -o %T", "-o", "out")
    cluster.wait_for(job, "COMPLETED")
    assert (tmp_path / "out").read_text() == "step\nRUNNING\n"


def test_stop_leaves_no_process(tmp_path, wait_until):
    """After stop() neither the controller nor any process of any job exists."""
    with MockSlurm(tmp_path / "state") as cluster:
        job = cluster.sbatch("sleep 300 & setsid sleep 300 & jobs -p > pids; wait", "-D", str(tmp_path))
        pids = tmp_path / "pids"
        wait_until(lambda: len(_text(pids).split()) == 2)
        watcher = cluster.job(job)["step_pid"]
        controller = cluster._process.pid
    for pid in [watcher, controller, *map(int, pids.read_text().split())]:
        assert process_start(pid) is None


def test_an_unknown_job_is_an_error_with_its_number(cluster):
    """Asking for a job that never was names it."""
    with pytest.raises(MockSlurmError, match="there is no job 77"):
        cluster.job(77)


def test_the_environment_does_not_reach_the_log(cluster, submit):
    """Secrets in the environment are neither in the log of calls nor in what job() shows."""
    job = submit("true", env={"API_TOKEN": "sesame-open"})
    cluster.wait_for(job, "COMPLETED")
    assert "sesame-open" not in str(cluster.job(job)) + Path(cluster.state_dir, "calls.jsonl").read_text()
    assert os.stat(cluster.state_dir / "journal.jsonl").st_mode & 0o077 == 0
