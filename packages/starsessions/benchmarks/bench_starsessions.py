"""What a session costs a request, beside starsessions 2.2.1 and Starlette's own middleware.

The three are measured in one run, in interleaved rounds, on the same Python, Starlette, redis-py and Redis; the best
round of each counts. Times are the middleware's share: those of the same application with a dictionary in the place of
its session are subtracted. Only ratios are judged, times tell about the machine. `--check` exits with 1 if a target is
missed, `--rounds N` measures longer.

starsessions 2.2.1 comes from the package index into a temporary environment of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from pentad_services import start_redis

PEER = "2.2.1"
SHARED = ("starlette", "redis", "itsdangerous")
WORKER = Path(__file__).with_name("session_worker.py")
REQUESTS = {"redis": 60, "memory": 300, "cookie": 200}
UNTOUCHED_REQUESTS = 2000  # of a few microseconds each: as long a measurement as the others
SIZES = (100, 100_000)


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


def install_peer(folder):
    """Make an environment with starsessions 2.2.1 and otherwise the versions of this one; return its interpreter."""
    wanted = [f"starsessions[redis]=={PEER}", *(f"{name}=={version(name)}" for name in SHARED)]
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = Path(folder) / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
    return python


class Worker:
    """A process that measures the package of its environment."""

    def __init__(self, python, redis_url):
        # Isolated, so that neither PYTHONPATH nor this folder can bring another `starsessions` in.
        self._process = subprocess.Popen(
            [python, "-I", WORKER, redis_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **order):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended with {self._process.wait()}")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._process.stdin.close()
        self._process.wait()


def measure(ours, upstream, rounds):
    """Return the best microseconds of every row and application, measured in interleaved rounds."""
    best = {}
    for _ in range(rounds):
        for row in ROWS:
            requests = UNTOUCHED_REQUESTS if row.case == "untouched" else REQUESTS[row.store]
            order = {"store": row.store, "case": row.case, "requests": requests}
            asked = [("bare", ours), ("starlette", ours), ("ours", ours), ("upstream", upstream)]
            for app, worker in asked:
                time = worker.ask(app=app, **order)[row.clock]
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


def report(best):
    """Print the table; return the targets with whether each was reached."""
    print(f"{'µs a request':24}{'ours':>9}{'2.2.1':>9}{'Starlette':>11}{'/ 2.2.1':>9}{'/ Starlette':>13}")
    targets = {}
    for row in ROWS:
        ours, upstream, starlette = (best[row, app] - best[row, "bare"] for app in ("ours", "upstream", "starlette"))
        print(f"{row.name:24}{ours:9.2f}{upstream:9.2f}{starlette:11.2f}"
              f"{ours / upstream:9.2f}{ours / starlette:13.2f}")  # fmt: skip
        if row.upstream:
            targets[f"{row.name} <= {row.upstream} of 2.2.1"] = ours / upstream <= row.upstream
        if row.starlette:
            targets[f"{row.name} <= {row.starlette} of Starlette's"] = ours / starlette <= row.starlette
    return targets


def report_growth(best):
    """Print what a write costs in small and large stores; return the targets."""
    targets = {}
    for kind in ("rewrite", "add"):
        small, large = (best[kind, size] for size in SIZES)
        print(f"InMemoryStore, {kind} a record: {small:.2f} µs at {SIZES[0]:,}, {large:.2f} µs at {SIZES[1]:,} "
              f"live sessions ({large / small:.2f}x)")  # fmt: skip
        targets[f"{kind} at {SIZES[1]:,} <= 2 x at {SIZES[0]:,}"] = large <= 2 * small
    return targets


def machine():
    """Return one line about what the figures were measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in SHARED)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"Python {platform.python_version()}, {packages}; {platform.machine()}, {os.cpu_count()} CPUs, "
        f"{platform.system()} {platform.release()}, load {load}"
    )


def main():
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--rounds", type=int, default=41, help="interleaved rounds, of which the best counts")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, start_redis() as redis:
        print(redis.line)
        python = install_peer(folder)
        with Worker(sys.executable, redis.url) as ours, Worker(python, redis.url) as upstream:
            best = measure(ours, upstream, options.rounds)
            growth = measure_growth(ours, max(3, options.rounds // 8))
    targets = report(best) | report_growth(growth)
    for target, reached in targets.items():
        print(f"{'ok    ' if reached else 'MISSED'} {target}")
    return 1 if options.check and not all(targets.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
