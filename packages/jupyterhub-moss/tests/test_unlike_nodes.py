"""Partitions of unlike nodes: what the page offers and the spawner accepts is what one node has."""

import pytest

from jupyterhub_moss.errors import LimitError
from jupyterhub_moss.facts import Facts
from jupyterhub_moss.job import resolve_job
from jupyterhub_moss.page import public_partitions
from jupyterhub_moss.partitions import complete_partitions
from jupyterhub_moss.sinfo import read_partitions

ENVIRONMENTS = {"jupyter_environments": {"default": {"description": "Default", "path": "/env"}}}
LINES = """\
mixed 0/1/0/1 64 0/64/0/64 (null) 64000 1-00:00:00
mixed 0/1/0/1 16 0/16/0/16 (null) 512000 1-00:00:00
mixed 0/1/0/1 32 0/32/0/32 gpu:A100:4,gpu:mig_1g.5gb:7 128000 1-00:00:00
untyped 0/1/0/1 8 0/8/0/8 gpu:2(S:0) 16000 1:00:00
"""


def resolve(config=ENVIRONMENTS, **asked):
    facts = Facts(read_partitions(LINES, None), 0, "", known=True)
    partitions = complete_partitions({"mixed": config, "untyped": ENVIRONMENTS}, facts)
    return resolve_job({"partition": "mixed", **asked}, partitions, default_prologue="", allowed_options=()).options


@pytest.mark.parametrize(
    "asked",
    [
        {"nprocs": 64},
        {"memory": "400G"},
        {"nprocs": 32, "memory": "100G", "ngpus": 4},
        {"nprocs": 16, "memory": "400G"},
        {"nprocs": 1, "ngpus": 7, "gpu_type": "mig_1g.5gb"},
    ],
)
def test_what_one_node_has_is_accepted(asked):
    """A request is possible when one kind of node has all of it."""
    assert resolve(**asked).partition == "mixed"


@pytest.mark.parametrize(
    "asked",
    [
        {"nprocs": 64, "memory": "400G"},
        {"nprocs": 33, "ngpus": 1},
        {"memory": "200G", "ngpus": 1},
    ],
)
def test_what_no_node_has_together_is_refused(asked):
    """Each number is possible alone and no node has all: the sentence names what the nodes have."""
    with pytest.raises(LimitError, match=r"no node of partition 'mixed' has .* together; .*64 CPUs, 64000 MB"):
        resolve(**asked)


@pytest.mark.parametrize(("nprocs", "options"), [(16, ""), (32, ""), (64, "--exclusive")])
def test_all_cpus_of_a_smaller_node_do_not_ask_for_a_whole_node(nprocs, options):
    """It could be a larger one, taken for itself."""
    assert resolve(nprocs=nprocs).options == options


def test_each_kind_of_gpu_can_be_asked_for():
    """The kind that was named is in --gres, an untyped GPU has none, and without a name the first is taken."""
    assert resolve(ngpus=2, gpu_type="A100").gres == "gpu:A100:2"
    assert resolve(ngpus=2, gpu_type="mig_1g.5gb").gres == "gpu:mig_1g.5gb:2"
    assert resolve(ngpus=2).gres == "gpu:mig_1g.5gb:2"
    assert resolve(partition="untyped", ngpus=2).gres == "gpu:2"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"ngpus": 5, "gpu_type": "A100"}, "5 GPUs A100 were asked for, on partition 'mixed' at most 4"),
        ({"ngpus": 1, "gpu_type": "H100"}, "has no GPUs 'H100'; it has mig_1g.5gb, A100"),
    ],
)
def test_gpus_that_are_not_there_are_refused(asked, sentence):
    """Too many of a kind, or a kind that the partition has not, is refused with what there is."""
    with pytest.raises(LimitError, match=sentence):
        resolve(**asked)


@pytest.mark.parametrize(
    ("config", "asked", "gres"),
    [
        ({"gpu": "gpu:A100:{}"}, {"ngpus": 4}, "gpu:A100:4"),
        ({"gpu": "gpu:{}"}, {"ngpus": 7}, "gpu:7"),
        ({"gpu": "gpu:own:{}", "max_ngpus": 20}, {"ngpus": 20}, "gpu:own:20"),
        ({"max_nprocs": 128}, {"nprocs": 128}, ""),
    ],
)
def test_configured_limits_replace_slurms(config, asked, gres):
    """A template, and a limit above Slurm's, are believed."""
    assert resolve({**ENVIRONMENTS, **config}, **asked).gres == gres


@pytest.mark.parametrize(
    ("config", "asked"),
    [({"max_nprocs": 4}, {"nprocs": 5}), ({"max_ngpus": 1}, {"ngpus": 2}), ({"gpu": ""}, {"ngpus": 1})],
)
def test_a_configured_limit_below_slurms_holds(config, asked):
    """Less than the nodes have, when the configuration says so."""
    with pytest.raises(LimitError):
        resolve({**ENVIRONMENTS, **config}, **asked)


USE = """\
mixed 2/0/0/2 32 8/56/0/64 gpu:A100:4,gpu:mig:7 64000 1:00:00 gpu:A100:1(IDX:0),gpu:mig:7(IDX:4-10) mixed
mixed 0/1/0/1 32 0/32/0/32 gpu:A100:2 64000 1:00:00 gpu:A100:0(IDX:N/A) idle
"""


@pytest.mark.parametrize(
    ("config", "together", "kinds"),
    [
        ({}, (8, 24), {"A100": "8 of 10 A100", "mig": "0 of 14 mig"}),
        ({"gpu": "gpu:A100:{}", "max_ngpus": 1}, (8, 10), {"A100": "8 of 10 A100"}),
        ({"gpu": "gpu:{}"}, (8, 24), {"": "8 of 24"}),
        ({"gpu": ""}, (0, 0), {}),
    ],
)
def test_free_gpus_are_counted_by_kind_and_together(config, together, kinds):
    """Those that the configuration lets a job ask for; a limit for one job does not change how many there are."""
    shown = public({**ENVIRONMENTS, **config}, USE)
    assert (shown["ngpus_idle"], shown["ngpus_total"]) == together
    assert {gpu["kind"]: gpu["words"] for gpu in shown["gpu_types"]} == kinds


def test_free_gpus_of_which_slurm_says_nothing_are_unknown():
    """As with a command of the site's own; what each node has is known all the same."""
    shown = public(ENVIRONMENTS, LINES)
    assert (shown["ngpus_idle"], shown["ngpus_total"]) == (None, None)
    assert [gpu["words"] for gpu in shown["gpu_types"]] == ["unknown mig_1g.5gb", "unknown A100"]


def public(config, lines):
    facts = Facts(read_partitions(lines, None), 0, "", known=True)
    return public_partitions(complete_partitions({"mixed": config}, facts))["mixed"]


def test_options_without_a_kind_of_gpu_have_the_known_keys():
    """Hooks that read user_options find the fifteen documented keys; `gpu_type` is there when it was chosen."""
    assert len(resolve().model_dump()) == 15
    assert resolve(ngpus=1, gpu_type="A100").model_dump()["gpu_type"] == "A100"
