"""What a page view costs: Slurm's answer about 10,000 nodes, and fifty visitors at once beside the hub's home page."""

import logging
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from running_hub import Hub, Visitor

from jupyterhub_moss.sinfo import read_partitions
from mock_slurm import MockSlurm

NODES, VISITORS = 10_000, 50
CLUSTER = {
    "nodes": {f"n[1-{NODES}]": {"cpus": 64, "memory": 256000, "gres": "gpu:A100:4"}},
    "partitions": {"all": {"nodes": f"n[1-{NODES}]"}},
}
LINES = "\n".join(
    f"p{n % 10} 0/1/0/1 {64 + 64 * (n % 2)} {n % 8 * 8}/{64 - n % 8 * 8}/0/64 "
    f"gpu:A100:{n % 5}(S:0-1) {256000 + n % 3} 1-00:00:00"
    for n in range(NODES)
)


def best(action, times=7):
    """The shortest time of some, in milliseconds: what else the machine does only adds."""
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        durations.append(1000 * (time.perf_counter() - start))
    return min(durations)


def parsing():
    plain = best(lambda: [line.split() for line in LINES.splitlines()])
    own = best(lambda: read_partitions(LINES, logging.getLogger()))
    print(f"{NODES} lines of nodes: {own:.1f} ms, {own / plain:.1f} times what splitting them takes")


def asking():
    with MockSlurm(Path(tempfile.mkdtemp()), CLUSTER) as cluster:
        took = best(lambda: cluster.run("sinfo", "-a", "-h", "-e", "-o", "%R %F %c %C %G %m %l", check=True), 3)
    print(f"the mock's sinfo about {NODES} nodes: {took:.0f} ms")


def median_of(visitors, path):
    def view(visitor):
        start = time.perf_counter()
        visitor.get(path).raise_for_status()
        return time.perf_counter() - start

    with ThreadPoolExecutor(VISITORS) as pool:
        return 1000 * statistics.median(pool.map(view, visitors))


def visiting():
    folder = Path(tempfile.mkdtemp())
    environments = {"jupyter_environments": {"default": {"description": "Default", "path": "/env"}}}
    with MockSlurm(folder / "slurm") as cluster:
        hub = Hub(folder, cluster.environ, partitions={"cpu": environments, "gpu": environments},
                  spawner={"slurm_info_max_age": 10})  # fmt: skip
        hub.start()
        try:
            visitors = [Visitor(hub, f"u{number}") for number in range(VISITORS)]
            for path in ("/hub/home", "/hub/spawn"):
                median_of(visitors[:2], path)
            asked = len(cluster.calls("sinfo"))
            start = time.monotonic()
            home, page = (
                statistics.median(median_of(visitors, path) for _ in range(3)) for path in ("/hub/home", "/hub/spawn")
            )
            questions, seconds = len(cluster.calls("sinfo")) - asked, time.monotonic() - start
        finally:
            hub.stop()
    print(f"{VISITORS} visitors at once: home {home:.0f} ms, form {page:.0f} ms, ratio {page / home:.2f}; "
          f"{questions} sinfo for {3 * VISITORS} forms in {seconds:.0f} s")  # fmt: skip


if __name__ == "__main__":
    parsing()
    visiting()
    asking()
