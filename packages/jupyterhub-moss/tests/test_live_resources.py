"""What many visitors, and open pages, learn of the cluster, on the mock Slurm."""

import asyncio
import getpass
from contextlib import nullcontext

import pytest
from lone_cluster import guarded_cluster
from lone_spawner import make_spawner

from jupyterhub_moss.errors import UnavailablePartitionError
from jupyterhub_moss.facts import shared_access, shared_facts
from jupyterhub_moss.models import PartitionResources

ENVIRONMENTS = {"jupyter_environments": {"default": {"description": "Default", "path": "/env"}}}
PARTITIONS = dict.fromkeys(("cpu", "gpu", "restricted"), ENVIRONMENTS)
VISITORS = 50


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    # accounts that every system has
    restricted = {"nodes": "cpu3", "max_time": "4:00:00", "allow_groups": ["daemon"]}
    partitions = {"cpu": {"nodes": "cpu[1-3]"}, "gpu": {"nodes": "gpu[1-2],mig1"}, "restricted": restricted}
    with guarded_cluster(tmp_path_factory.mktemp("slurm"), {"partitions": partitions}) as cluster:
        yield cluster


@pytest.fixture
def mock_slurm(cluster, monkeypatch):
    """The module's cluster without faults and with an empty log; its commands are on PATH."""
    shared_facts.forget()
    shared_access.forget()
    for cache in (shared_facts.answers, shared_access):
        monkeypatch.setattr(cache, "patience", 600)  # a slow machine is no silent Slurm
    cluster.faults.clear()
    (cluster.state_dir / "calls.jsonl").write_text("")
    for name, value in cluster.environ.items():
        monkeypatch.setenv(name, value)
    return cluster


def questions(cluster):
    return sorted(call["program"] for call in cluster.calls())


def test_fifty_page_views_at_once_are_one_question(mock_slurm):
    """Visitors share one sinfo and one scontrol, and a moment later none is needed."""

    async def scenario():
        spawners = [make_spawner(f"u{number}", partitions=PARTITIONS) for number in range(VISITORS)]
        pages = await asyncio.gather(*(spawner.render_options_form() for spawner in spawners))
        assert all('id="moss_form"' in page for page in pages)
        await make_spawner("late", partitions=PARTITIONS).live_resources()

    asyncio.run(scenario())
    assert questions(mock_slurm) == ["scontrol", "sinfo"]


@pytest.mark.parametrize(
    "answer",
    [
        {"err": "slurm_load_partitions: Unable to contact slurm controller"},
        {"code": 0, "out": "cpu up infinite\n", "err": ""},
    ],
    ids=["no answer", "nonsense"],
)
def test_a_silent_slurm_leaves_the_page_and_the_numbers(mock_slurm, answer):
    """When Slurm fails, the numbers are those of before and marked as old, and a request still passes."""

    async def scenario():
        spawner = make_spawner(partitions=PARTITIONS, slurm_info_max_age=0)
        before = await spawner.live_resources()
        mock_slurm.faults.fail("sinfo", **answer)
        after = await spawner.live_resources()
        assert (before["stale"], after["stale"]) == (False, True)
        assert after["partitions"] == before["partitions"]
        assert "Slurm is not answering" in after["notice"]
        assert (await spawner.options_from_form({"partition": ["cpu"]}))["partition"] == "cpu"
        assert "moss-stale" in await spawner.render_options_form()

    asyncio.run(scenario())


@pytest.mark.parametrize(("name", "sees"), [("nobody", False), ("daemon", True)])
def test_only_partitions_that_the_user_may_use_are_shown(mock_slurm, name, sees):
    """A partition for a group is offered to its members; another user cannot ask for it by REST either."""
    spawner = make_spawner(name, partitions=PARTITIONS, exec_prefix="env MOCK_SLURM_USER={username}")

    async def scenario():
        shown = await spawner.live_resources()
        assert ("restricted" in shown["partitions"]) is sees
        assert "restricted" not in shown["notice"]
        with nullcontext() if sees else pytest.raises(UnavailablePartitionError):
            await spawner.check_user_options(spawner, {"partition": "restricted"})

    asyncio.run(scenario())


@pytest.mark.parametrize(("account", "sees"), [("physics", True), ("chemistry", False)])
def test_a_partition_for_accounts_is_shown_to_who_has_one(mock_slurm, account, sees):
    """By what Slurm's accounting says of the user; by REST the others cannot ask for it either."""
    spawner = make_spawner(
        partitions=PARTITIONS,
        slurm_access_cmd="echo 'PartitionName=gpu AllowGroups=ALL AllowAccounts=physics AllowQos=ALL'",
        slurm_accounts_cmd=f"echo '{getpass.getuser()}|{account}||normal'",
    )

    async def scenario():
        assert ("gpu" in (await spawner.live_resources())["partitions"]) is sees
        with nullcontext() if sees else pytest.raises(UnavailablePartitionError):
            await spawner.check_user_options(spawner, {"partition": "gpu"})

    asyncio.run(scenario())


def test_a_sites_own_tool_tells_the_resources():
    """It runs behind `exec_prefix`, with the user's name filled in; more fields than the known ones are kept."""

    def read(output):
        name, cpus, user = output.split()
        return {
            name: PartitionResources(
                max_nprocs=int(cpus), max_mem=1000, gpu="", max_ngpus=0, max_runtime=3600, asked_by=user
            )
        }

    spawner = make_spawner(
        "daemon",
        partitions=PARTITIONS,
        exec_prefix="env TOOL_USER={username}",
        slurm_info_cmd="sh -c 'echo cpu 64 $TOOL_USER-{username}'",
        slurm_info_resources=read,
    )
    shown = asyncio.run(spawner.live_resources())
    assert list(shown["partitions"]) == ["cpu"]
    assert shown["partitions"]["cpu"]["asked_by"] == "daemon-daemon"
    assert shown["partitions"]["cpu"]["max_nprocs"] == 64
