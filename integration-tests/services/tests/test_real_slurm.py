"""A real Slurm from the system's packages, started for one command. Skipped where it is not installed."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from pentad_services import Unavailable, real_slurm

RUN = [sys.executable, "-m", "pentad_services.real_slurm", "run"]
LIMIT = 180  # seconds; a quiet machine needs two or three


def why_not():
    try:
        real_slurm._find_programs()
    except Unavailable as problem:
        return str(problem)
    return None


# In continuous integration a missing Slurm is a failure: the tests run and say what is not there.
with_slurm = pytest.mark.skipif(why_not() is not None and os.environ.get("CI") != "true", reason=str(why_not()))

SUBMIT = r"""
set -e
cd "$(mktemp -d)"; chmod 777 .; trap 'rm -r "$PWD"' EXIT
sinfo -a -h -o '%R %D %T'
mkfifo -m 666 done
printf '#!/bin/sh\necho "$(id -un) $(hostname) $CUDA_VISIBLE_DEVICES" > done\n' > job.sh
setpriv --reuid=alice --regid=alice --init-groups -- sbatch --quiet -p gpu -w mig1 --gres=gpu:a100_3g.20gb:2 -o /dev/null job.sh
cat done
echo "$SLURM_CONF"
exit 7
"""


@with_slurm
def test_jobs_run_and_nothing_stays():
    """The command finds an idle cluster as the mock's and runs jobs; its exit code comes back, and Slurm is gone."""
    users = Path("/etc/passwd").read_bytes()
    done = subprocess.run(
        [*RUN, "bash", "-c", SUBMIT], capture_output=True, text=True, timeout=LIMIT, cwd="/", check=False
    )
    *partitions, job, conf = done.stdout.splitlines()
    assert partitions == [
        "cpu 3 idle", "debug 1 idle", "gpu 3 idle", "long 1 idle", "scavenge 4 idle", "restricted 1 idle",
        "hiddenp 1 idle", "downp 1 idle", "drainp 1 idle",
    ]  # fmt: skip
    assert job == "alice mig1 4,5"
    assert done.returncode == 7, done.stderr
    assert not Path(conf).parents[1].exists()
    assert Path("/etc/passwd").read_bytes() == users


FIND = "from pentad_services import start_slurm; found = start_slurm(); print(found.kind, found.environ['SLURM_CONF'])"


@with_slurm
def test_the_fixture_finds_it(monkeypatch):
    """In the command, `start_slurm` takes this Slurm, and hands on the variable that programs need to reach it."""
    monkeypatch.delenv("PENTAD_TEST_SLURM", raising=False)
    monkeypatch.delenv("PENTAD_TEST_DOCKER", raising=False)
    command = f'echo "$SLURM_CONF"; "{sys.executable}" -c "{FIND}"'
    done = subprocess.run([*RUN, "sh", "-c", command], capture_output=True, text=True, timeout=LIMIT, check=True)
    conf, found = done.stdout.splitlines()
    assert found == f"real {conf}"


@with_slurm
def test_a_killed_starter_takes_slurm_along():
    """Its daemons end when the starter is killed with SIGKILL, and the folder is deleted."""
    with subprocess.Popen(
        [*RUN, "sh", "-c", "echo $SLURM_CONF; read end"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        conf = Path(starter.stdout.readline().strip())
        daemons = [os.pidfd_open(int(file.read_text())) for file in conf.parent.glob("slurm*.pid")]
        assert len(daemons) == 8  # the controller and seven nodes
        starter.kill()
        for daemon in daemons:
            assert select.select([daemon], [], [], 60)[0]
            os.close(daemon)


def test_without_the_packages_it_says_how_to_get_them(monkeypatch, tmp_path, capsys):
    """Where Slurm is not installed, one line on stderr names the packages, and the exit code is 1."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(real_slurm, "_SBIN", str(tmp_path))
    with pytest.raises(SystemExit) as ending:
        real_slurm.main(["run", "true"])
    assert ending.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "munge (no munged); slurm-wlm (no slurmctld, slurmd, " in line
    assert line.endswith("To get it: apt-get install --no-install-recommends slurm-wlm munge")
