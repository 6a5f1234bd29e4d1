"""The services of compose.yaml. They run where containers were asked for: PENTAD_TEST_DOCKER=1."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from pentad_services import Unavailable, start_redis
from pentad_services import containers as module
from pentad_services._finding import asked_for_docker

with_engine = pytest.mark.skipif(
    not asked_for_docker(False), reason="containers were not asked for (PENTAD_TEST_DOCKER=1)"
)


def test_without_an_engine_it_says_so(monkeypatch):
    """Asking for containers where no engine answers is Unavailable, and names the ways out; no program is used instead."""
    monkeypatch.delenv("PENTAD_TEST_REDIS_URL", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(Unavailable, match="no Docker engine answers.*DOCKER_HOST"):
        start_redis(docker=True)


def test_the_ports_are_published_on_this_machine_only():
    """Every port in compose.yaml is bound to 127.0.0.1, every service has a health check, every image is a variable."""
    text = (module.repository() / "compose.yaml").read_text()
    published = [line.strip() for line in text.splitlines() if line.strip().startswith('- "') and "PORT" in line]
    assert len(published) == 5
    assert all(line.startswith('- "127.0.0.1:${PENTAD_') for line in published)
    assert text.count("healthcheck:") == 5
    assert text.count("image: ${PENTAD_") == 5


@with_engine
@pytest.mark.parametrize("name", ["redis", "postgres", "mariadb", "s3", "slurm"])
def test_each_service_runs_in_a_container(name, request):
    """With containers asked for, each fixture is a container on a port of 127.0.0.1, and its line names the image."""
    service = request.getfixturevalue(f"{name}_service")
    assert "(container), 127.0.0.1:" in service.line


@with_engine
def test_a_job_writes_where_this_machine_reads(slurm_service, tmp_path):
    """Slurm's commands run here; a job in the container sees the shared folder under the same path."""
    environ = {**os.environ, **slurm_service.environ}
    done = slurm_service.shared / "done"
    os.mkfifo(done)
    script = f"#!/bin/bash\necho out of $SLURM_JOB_NAME > {done}\n"
    subprocess.run(
        ["sbatch", "--job-name", "the-job"], input=script, env=environ, cwd=slurm_service.shared, text=True, check=True
    )
    assert done.read_text() == "out of the-job\n"


KILLED = """
    import signal
    from pentad_services import ProcessGuard, start_redis
    guard = ProcessGuard()
    service = start_redis(docker=True, guard=guard)
    print(guard._watcher.pid, flush=True)
    signal.pause()
"""


@with_engine
def test_a_killed_session_leaves_no_container():
    """kill -9 of a session takes its containers and networks down."""
    before = containers()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED)], stdout=subprocess.PIPE, text=True
    ) as session:
        watcher = int(session.stdout.readline())
        assert len(containers()) == len(before) + 1
        descriptor = os.pidfd_open(watcher)
        session.kill()
        import select

        assert select.select([descriptor], [], [], 60)[0]
        os.close(descriptor)
    assert containers() == before


def containers():
    listed = subprocess.run(
        ["docker", "ps", "--all", "--format", "{{json .}}"], capture_output=True, text=True, check=True
    )
    return {json.loads(line)["Names"] for line in listed.stdout.splitlines()}
