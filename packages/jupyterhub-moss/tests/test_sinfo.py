"""What the output of sinfo says about partitions."""

import logging
from itertools import permutations

import pytest

from jupyterhub_moss.gres import GpuType, read_gpus
from jupyterhub_moss.sinfo import read_partitions
from jupyterhub_moss.utils import parse_gpu_resource

LOG = logging.getLogger("test")
GPU_LINES = [
    "gpu 0/1/0/1 32 0/32/0/32 gpu:A100:4(S:0-1) 128000 12:00:00",
    "gpu 0/1/0/1 32 2/30/0/32 gpu:V100:2 64000 12:00:00",
    "gpu 1/0/0/1 16 16/0/0/16 gpu:a100_1g.5gb:4 64000 12:00:00",
]


def read(*lines):
    return read_partitions("\n".join(lines), LOG)


def test_a_line_gives_idle_and_total_and_one_nodes_limits():
    """Idle and total are the second and fourth of A/I/O/T; the plus of mixed nodes is dropped."""
    resources = read("cpu 1/2/0/3 8+ 8/24/0/32 (null) 16000+ 1-00:00:00")["cpu"]
    assert resources.model_dump() == {
        "max_nprocs": 8, "max_mem": 16000, "gpu": "", "max_ngpus": 0, "max_runtime": 86400,
        "nnodes_total": 3, "nnodes_idle": 2, "ncores_total": 32, "ncores_idle": 24,
    }  # fmt: skip


@pytest.mark.parametrize("lines", list(permutations(GPU_LINES)))
def test_the_order_of_lines_changes_nothing(lines):
    """A partition of unlike nodes has the largest limits and all nodes, whichever line comes last."""
    resources = read(*lines)["gpu"]
    assert (resources.max_nprocs, resources.max_mem) == (32, 128000)
    assert (resources.gpu, resources.max_ngpus) == ("gpu:A100:{}", 4)
    assert (resources.nnodes_total, resources.nnodes_idle) == (3, 2)
    assert (resources.ncores_total, resources.ncores_idle) == (80, 62)


def test_five_minutes_are_five_minutes():
    """The time limit 5:00 of a debug partition is 300 seconds, not five hours."""
    assert read("debug 0/1/0/1 8 0/8/0/8 (null) 16000 5:00")["debug"].max_runtime == 300


def test_an_unknown_time_limit_counts_as_a_day(caplog):
    """A time limit that cannot be read is logged and taken as 86400 seconds."""
    assert read("cpu 0/1/0/1 8 0/8/0/8 (null) 16000 soon")["cpu"].max_runtime == 86400
    assert "soon" in caplog.text


def test_untyped_gpus_are_found():
    """gpu:4 gives the template gpu:{}."""
    resources = read("g 0/1/0/1 8 0/8/0/8 gpu:4(S:0) 16000 1:00:00")["g"]
    assert (resources.gpu, resources.max_ngpus) == ("gpu:{}", 4)


USE = """\
g 2/0/0/2 32 8/56/0/64 gpu:A100:4,gpu:mig:7 64000 1:00:00 gpu:A100:1(IDX:0),gpu:mig:7(IDX:4-10) mixed
g 1/0/0/1 32 4/28/0/32 gpu:A100:4,gpu:mig:7 64000 1:00:00 gpu:A100:4(IDX:0-3),gpu:mig:0(IDX:N/A) mixed+
g 1/0/0/1 32 4/0/28/32 gpu:A100:4,gpu:mig:7 64000 1:00:00 gpu:A100:1(IDX:0),gpu:mig:0(IDX:N/A) draining
g 0/0/1/1 32 0/0/32/32 gpu:A100:4,gpu:mig:7 64000 1:00:00 gpu:A100:0(IDX:N/A),gpu:mig:0(IDX:N/A) down*
g 0/1/0/1 32 0/32/0/32 gpu:2(S:0) 64000 1:00:00 gpu:0 idle~
g 1/0/0/1 32 8/24/0/32 gpu:2(S:0) 64000 1:00:00 gpu:(null):1(IDX:0) mixed
g 0/1/0/1 32 0/32/0/32 (null) 64000 1:00:00 (null) idle
"""


def test_free_gpus_are_those_without_a_job_on_nodes_that_take_jobs():
    """Nodes that differ in use or state alone are one kind; drained and silent ones have none free."""
    kinds = {tuple(gpu.template for gpu in node.gpus): node for node in read(USE)["g"].node_types}
    assert kinds["gpu:A100:{}", "gpu:mig:{}"].total == 5
    assert kinds["gpu:A100:{}", "gpu:mig:{}"].gpus_free == (GpuType("gpu:A100:{}", 6), GpuType("gpu:mig:{}", 7))
    assert kinds[("gpu:{}",)].gpus_free == (GpuType("gpu:{}", 3),)
    assert kinds[()].gpus_free == ()


def test_without_their_use_nobody_knows_how_many_gpus_are_free():
    """The seven fields of the documented command do not tell it."""
    assert [node.gpus_free for node in read(*GPU_LINES)["gpu"].node_types] == [None] * 3


def test_a_line_of_another_shape_is_named():
    """A line without seven fields is an error that shows the line."""
    with pytest.raises(ValueError, match="cpu up infinite"):
        read("cpu up infinite")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpu:V100:2", ("gpu:V100:{}", "2")),
        ("gpu:V100-SXM2-32GB:4(S:0-1)", ("gpu:V100-SXM2-32GB:{}", "4")),
        ("shard:8,gpu:a100:3(S:0,1),gpu:b:1", ("gpu:a100:{}", "3")),
    ],
)
def test_the_first_typed_gpu_is_the_resource(text, expected):
    """parse_gpu_resource returns the --gres template and the count as text."""
    assert parse_gpu_resource(text) == expected


@pytest.mark.parametrize("text", ["", "(null)", "gpu:4", "gpu", "mps:100", "gpu:a:b"])
def test_no_typed_gpu_is_an_error(text):
    """parse_gpu_resource raises ValueError without a typed GPU."""
    with pytest.raises(ValueError):
        parse_gpu_resource(text)


def test_every_kind_of_gpu_is_read():
    """read_gpus lists all kinds in a GRES text."""
    assert read_gpus("gpu:a:2(IDX:0,1),gpu:3,craynetwork:1") == (GpuType("gpu:a:{}", 2), GpuType("gpu:{}", 3))
