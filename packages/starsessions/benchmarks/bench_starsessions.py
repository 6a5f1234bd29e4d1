"""What a session costs a request, beside starsessions 2.2.1 and Starlette's own middleware.

The three are measured in one run, in interleaved rounds, on the same Python, Starlette, redis-py and Redis; the best
round of each counts. Times are the middleware's share: those of the same application with a dictionary in the place of
its session are subtracted. Only ratios are judged, times tell about the machine. `--check` exits with 1 if a target is
missed, `--rounds N` measures longer.

starsessions 2.2.1 comes from the package index into a temporary environment of its own.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

from pentad_services import start_redis
from pentad_services.benchmark import OURS, Report, Table, Worker, installed, make_environment, options_of

PEER = "2.2.1"
STARLETTE = "Starlette"
COLUMNS = {OURS: "this package", PEER: f"starsessions {PEER}", STARLETTE: "Starlette's own middleware"}
SHARED = ("starlette", "redis", "itsdangerous")
WORKER = Path(__file__).with_name("session_worker.py")
REQUESTS = {"redis": 60, "memory": 300, "cookie": 200}
UNTOUCHED_REQUESTS = 2000  # of a few microseconds each: as long a measurement as the others
SIZES = (100, 100_000)
WRITES = ("rewrite", "add")


@dataclasses.dataclass(frozen=True)
class Row:
    """One measured combination; `limits` are the ratios to the peers that must be reached."""

    store: str
    case: str
    clock: str = "cpu"
    upstream: float | None = None
    starlette: float | None = None

    @property
    def name(self):
        return f"{self.case}, {self.store}" + (" (wall)" if self.clock == "wall" else "")


ROWS = [
    Row("memory", "untouched", upstream=0.25, starlette=0.1),
    Row("memory", "read", upstream=0.6),
    Row("memory", "modify"),
    Row("memory", "new"),
    Row("cookie", "read", upstream=0.55),
    Row("cookie", "modify"),
    Row("cookie", "new"),
    Row("redis", "read", clock="wall", upstream=0.6),
    Row("redis", "modify", clock="wall"),
    Row("redis", "new", clock="wall"),
]


def measure(ours, upstream, rounds):
    """Return the best microseconds of every row and application, measured in interleaved rounds."""
    asked = {"bare": ours, STARLETTE: ours, OURS: ours, PEER: upstream}
    best = {}
    for _ in range(rounds):
        for row in ROWS:
            requests = UNTOUCHED_REQUESTS if row.case == "untouched" else REQUESTS[row.store]
            order = {"store": row.store, "case": row.case, "requests": requests}
            for app, worker in asked.items():
                time = worker.ask(app=app.lower(), **order)[row.clock]
                best[row, app] = min(best.get((row, app), time), time)
    return best


def measure_growth(ours, rounds):
    """Return the best microseconds of a write to InMemoryStore by what is written and the store's size."""
    best = {}
    for _ in range(rounds):
        for size in SIZES:
            for kind, time in ours.ask(live=size, requests=2000).items():
                best[kind, size] = min(best.get((kind, size), time), time)
    return best


def report_requests(report, best):
    """Show what a request costs, and judge it."""
    figures = {row: {column: best[row, column] - best[row, "bare"] for column in COLUMNS} for row in ROWS}
    report.show(Table("µs a request", COLUMNS, "first/other", {row.name: costs for row, costs in figures.items()}))
    for row, costs in figures.items():
        if row.upstream:
            report.require(f"{row.name} <= {row.upstream} of {PEER}", costs[OURS] <= row.upstream * costs[PEER])
        if row.starlette:
            reached = costs[OURS] <= row.starlette * costs[STARLETTE]
            report.require(f"{row.name} <= {row.starlette} of Starlette's", reached)


def report_growth(report, best):
    """Show what a write costs in small and large stores, and judge it."""
    columns = {f"{size:,}": f"{size:,} live sessions" for size in SIZES}
    rows = {f"InMemoryStore, {kind} a record": {f"{size:,}": best[kind, size] for size in SIZES} for kind in WRITES}
    report.show(Table("µs a write", columns, "other/first", rows))
    small, large = SIZES
    for kind in WRITES:
        report.require(f"{kind} at {large:,} <= 2 x at {small:,}", best[kind, large] <= 2 * best[kind, small])


def main():
    """Measure, print and judge."""
    options = options_of(__doc__, rounds=41).parse_args()
    report = Report("starsessions", SHARED)
    with tempfile.TemporaryDirectory() as folder, start_redis() as redis:
        report.measured_with(redis)
        python = make_environment(Path(folder), f"starsessions[redis]=={PEER}", *installed(*SHARED))
        with Worker(sys.executable, WORKER, redis.url) as ours, Worker(python, WORKER, redis.url) as upstream:
            best = measure(ours, upstream, options.rounds)
            growth = measure_growth(ours, max(3, options.rounds // 8))
    report_requests(report, best)
    report_growth(report, growth)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
