"""The controller as a process: many callers, death and return, faults on order, doors."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mock_slurm import ConfigurationError, MockSlurm, MockSlurmError, load_config


def test_parallel_submissions_get_ids_of_their_own(cluster, tmp_path):
    """Fifty sbatch at once make fifty jobs with fifty ids."""
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda _: cluster.sbatch("true", "-D", str(tmp_path), "--hold"), range(50)))
    assert sorted(ids) == list(range(1, 51))
    assert len(cluster.run("squeue", "-h").stdout.splitlines()) == 50
    assert len(cluster.calls("sbatch")) == 50


def test_a_killed_controller_finds_its_jobs_again(cluster, submit, tmp_path, wait_until):
    """After kill -9 and a restart the running job is still known, and so is the one that ended meanwhile."""
    running = submit("sleep 300", "-t", "300")
    ending = submit("while ! [ -e go ]; do sleep 0.05; done; exit 4", "-t", "300")
    waiting = submit("true", "--hold")
    for job in (running, ending):
        cluster.wait_for(job, "RUNNING")
    watcher = cluster.job(running)["step_pid"]
    status = cluster.state_dir / "spool" / f"job{ending:05}" / "status.json"
    cluster.kill()
    (tmp_path / "go").touch()
    wait_until(status.exists)
    cluster.start()
    assert cluster.wait_for(ending, "FAILED")["exit_code"] == 4
    assert cluster.job(running)["step_pid"] == watcher
    assert cluster.job(waiting)["held"] == "JobHeldUser"
    assert submit("true") == waiting + 1
    cluster.run("scancel", str(running))
    cluster.wait_for(running, "CANCELLED")


def test_a_restart_keeps_drained_nodes(cluster):
    """What an administrator did to a node survives the controller."""
    cluster.run("scontrol", "update", "nodename=cpu1", "state=drain", "reason=fan")
    cluster.shut_down()
    cluster.start()
    assert cluster.run("sinfo", "-R", "-h", "-o", "%E %N").stdout == "fan cpu1\n"


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        (["squeue", "-h", "-j", "1"], 1, "slurm_load_jobs error: {}"),
        (["sinfo", "-h"], 1, "slurm_load_partitions: {}"),
        (["scancel", "49"], 8, "scancel: error: Kill job error on job id 49: {}"),
        (["sbatch", "--wrap=true"], 1, "sbatch: error: Batch job submission failed: {}"),
    ],
)
def test_without_a_controller_each_command_fails_in_its_own_words(cluster, argv, code, text):
    """A refused connection gives Slurm's sentence and exit code."""
    cluster.shut_down()
    done = cluster.run(*argv)
    assert (done.returncode, done.stderr.strip()) == (
        code,
        text.format("Unable to contact slurm controller (connect failure)"),
    )


def test_a_frozen_call_times_out_and_is_carried_out_later(cluster, submit, wait_until):
    """A time-out is not a failure: the sbatch that got no answer becomes a job after the thaw."""
    cluster.faults.freeze("sbatch", times=1)
    patience = {"MOCK_SLURM_MESSAGE_TIMEOUT": "0.3"}
    done = cluster.run("sbatch", "--parsable", "--hold", "--wrap=true", env=patience)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Socket timed out on send/recv operation" in done.stderr
    assert cluster.run("squeue", "-h").stdout == ""
    cluster.faults.thaw()
    wait_until(lambda: cluster.run("squeue", "-h", "-o", "%i").stdout)
    assert cluster.job(1)["held"] == "JobHeldUser"


def test_a_dropped_call_is_carried_out_at_once_without_an_answer(cluster, submit):
    """scancel that hears nothing ends with 140, and the job is gone all the same."""
    job = submit("sleep 300", "-t", "300")
    cluster.wait_for(job, "RUNNING")
    cluster.faults.drop("scancel")
    done = cluster.run("scancel", str(job), env={"MOCK_SLURM_MESSAGE_TIMEOUT": "0.3"})
    assert done.returncode == 140
    cluster.wait_for(job, "CANCELLED")


def test_faults_are_counted_down(cluster):
    """A fault for two calls hits two calls, and those only of its program."""
    cluster.faults.fail("squeue", err="slurm_load_jobs error: Zero Bytes\n", code=1, times=2)
    codes = [cluster.run("squeue", "-h").returncode for _ in range(3)]
    assert codes == [1, 1, 0]
    assert cluster.faults.count()["hits"] == 2
    cluster.faults.munge_down()
    assert cluster.run("squeue").stderr.splitlines()[-1] == "slurm_load_jobs error: Protocol authentication error"
    assert cluster.run("scontrol", "ping").returncode == 1
    cluster.faults.clear()
    assert cluster.run("sinfo").returncode == 0


def test_a_delay_holds_up_its_own_call_only(cluster, wait_until):
    """While one squeue waits for its answer another command gets its own."""
    cluster.faults.delay("squeue", seconds=3600, times=1)
    slow = subprocess.Popen([cluster.bin_dir / "squeue"], env={**os.environ, **cluster.environ})
    wait_until(lambda: cluster.faults.count()["hits"] == 1)
    assert cluster.run("sinfo").returncode == 0
    assert slow.poll() is None
    slow.kill()
    slow.wait()


def test_a_delayed_call_is_answered_late(cluster):
    """The log has how long it took."""
    cluster.faults.delay("squeue", seconds=0.3)
    assert cluster.run("squeue").returncode == 0
    assert cluster.calls("squeue")[0]["seconds"] >= 0.3


def test_the_log_counts_every_call(cluster):
    """Each command leaves one entry with who, what, and how it ended."""
    cluster.run("squeue", "-h", user="alice")
    cluster.run("scancel", "abc", user="bob")
    entries = [(call["program"], call["argv"], call["user"], call["code"]) for call in cluster.calls()]
    assert entries == [("squeue", ["-h"], "alice", 0), ("scancel", ["abc"], "bob", 1)]


def test_tcp_needs_the_token(tmp_path):
    """Over TCP commands work with the token of the state folder and are refused without."""
    with MockSlurm(tmp_path / "state", port=0) as cluster:
        assert cluster.address.startswith("127.0.0.1:")
        assert cluster.run("sinfo", "-h", env=cluster.tcp_environ).returncode == 0
        refused = cluster.run("sinfo", "-h", env={**cluster.tcp_environ, "MOCK_SLURM_TOKEN": "guess"})
    assert refused.returncode == 1
    assert "MOCK_SLURM_TOKEN" in refused.stderr


def test_a_state_folder_has_one_owner(cluster):
    """A second controller on the same folder says so and ends."""
    argv = [sys.executable, "-m", "mock_slurm", "serve", "--state", str(cluster.state_dir)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "another controller runs here" in done.stderr


def test_a_long_folder_name_is_no_obstacle(tmp_path):
    """A state folder too deep for a unix socket's address works all the same."""
    with MockSlurm(tmp_path / ("deep" * 30) / "state") as cluster:
        assert cluster.run("sinfo").returncode == 0


def test_a_cluster_of_ones_own(tmp_path):
    """Nodes and partitions can be replaced, by a mapping or by a file."""
    path = tmp_path / "cluster.toml"
    path.write_text(
        '[nodes]\n"n[1-2]" = { cpus = 4, memory = 1000 }\n[partitions]\nall = { nodes = "n[1-2]", default = true }\n'
    )
    with MockSlurm(tmp_path / "state", path) as cluster:
        assert cluster.run("sinfo", "-h", "-o", "%R %c %D %l").stdout == "all 4 2 infinite\n"


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"killwait": 1}, "unknown setting 'killwait'"),
        ({"nodes": {"a": {}}}, "give both"),
        ({"nodes": {"a": {}}, "partitions": {"p": {"nodes": "b"}}}, "partitions.p: node 'b' is not described"),
        ({"nodes": {"a": {"cpu": 1}}, "partitions": {}}, "nodes.a: unknown key 'cpu'"),
    ],
)
def test_a_mistake_in_the_description_is_named(config, complaint):
    """A description that cannot be used says which entry is wrong."""
    with pytest.raises(ConfigurationError, match=complaint):
        load_config(config)


def test_a_controller_that_cannot_start_shows_its_words(tmp_path):
    """start() raises with what the controller printed."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.jsonl").mkdir()
    with pytest.raises(MockSlurmError, match="journal.jsonl"):
        MockSlurm(tmp_path / "state").start()
