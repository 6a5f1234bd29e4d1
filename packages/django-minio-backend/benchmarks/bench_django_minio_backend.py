"""What files cost on a real S3 server, beside django-minio-backend 4.5.0: ratios of rates, and memory.

Both are measured in one run, in interleaved rounds, on the same Python, Django, minio and server; the best round of
each counts. Only ratios are judged, times tell about the machine. Memory is the growth of the peak of a process that
has saved and read a small file before. `--check` exits with 1 if a target is missed, `--rounds N` measures longer.

django-minio-backend 4.5.0 comes from the package index into a temporary environment of its own. It needs Python 3.12.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from pentad_services import start_s3

PEER = "4.5.0"
SHARED = ("django", "minio", "urllib3")
WORKER = Path(__file__).with_name("storage_worker.py")
MB = 1_000_000
LARGE = 200 * MB

CASES = {"url": 1000, "save 1 KB": 40, "save 1 MB": 10, "read 1 KB": 60, "read 1 MB": 20}
"""Cases, and how often each is done in a round."""
AT_LEAST = {"url": 3.0, "save 1 KB": 1.5, "read 1 MB": 1.0}
"""The rates that must be reached, as multiples of the peer's."""
AT_MOST = {"save": 16 * MB, "read": 8 * MB, "first": 8 * MB}
"""The growth of memory that is allowed: saving from disk, reading in chunks, reading the first kilobyte."""


def install_peer(folder):
    """Make an environment with django-minio-backend and otherwise the versions of this one; return its interpreter."""
    wanted = [f"django-minio-backend=={PEER}", *(f"{name}=={version(name)}" for name in SHARED)]
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = Path(folder) / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
    return python


def options_for(s3, bucket):
    """Return the settings of a storage on the bucket."""
    return {
        "MINIO_ENDPOINT": s3.endpoint,
        "MINIO_ACCESS_KEY": s3.access_key,
        "MINIO_SECRET_KEY": s3.secret_key,
        "MINIO_USE_HTTPS": s3.secure,
        "MINIO_REGION": s3.region,
        "MINIO_DEFAULT_BUCKET": bucket,
        "MINIO_PRIVATE_BUCKETS": [bucket],
    }


class Worker:
    """A process that measures the package of its environment on a bucket."""

    def __init__(self, python, s3, bucket):
        # Isolated, so that neither PYTHONPATH nor this folder can bring another package of the name in.
        command = [python, "-I", WORKER, json.dumps(options_for(s3, bucket))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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


def measure(ours, peer, rounds):
    """Return the best seconds of one operation by case and worker, measured in interleaved rounds."""
    best = {}
    for _ in range(rounds):
        for case, times in CASES.items():
            for worker in (ours, peer):
                seconds = worker.ask(case=case, times=times) / times
                best[case, worker] = min(best.get((case, worker), seconds), seconds)
    return best


def measure_memory(pythons, s3, path):
    """Return the growth of memory in bytes by what is done and interpreter; each in a process of its own."""
    grown = {}
    for python in pythons:
        bucket = s3.create_bucket()
        for what in AT_MOST:
            with Worker(python, s3, bucket) as worker:
                grown[what, python] = worker.ask(memory={"what": what, "path": str(path)})
    return grown


def report(best, ours, peer):
    """Print the rates; return the targets with whether each was reached."""
    print(f"{'µs an operation':18}{'ours':>10}{PEER:>10}{'rate / ' + PEER:>16}")
    targets = {}
    for case in CASES:
        mine, theirs = best[case, ours], best[case, peer]
        print(f"{case:18}{mine * 1e6:10.1f}{theirs * 1e6:10.1f}{theirs / mine:16.2f}")
        if case in AT_LEAST:
            targets[f"{case} >= {AT_LEAST[case]} x {PEER}"] = theirs / mine >= AT_LEAST[case]
    return targets


def report_memory(grown, ours, peer):
    """Print the growth of memory; return the targets with whether each was reached."""
    print(f"{'MB, 200 MB file':18}{'ours':>10}{PEER:>10}")
    targets = {}
    for what, most in AT_MOST.items():
        print(f"{what:18}{grown[what, ours] / MB:10.1f}{grown[what, peer] / MB:10.1f}")
        targets[f"memory, {what} <= {most // MB} MB"] = grown[what, ours] <= most
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
    parser.add_argument("--rounds", type=int, default=31, help="interleaved rounds, of which the best counts")
    options = parser.parse_args()
    print(machine())
    if sys.version_info < (3, 12):
        print(
            f"Nothing is measured: django-minio-backend {PEER} needs Python 3.12 or newer, and so does this comparison."
        )
        return 1 if options.check else 0
    with tempfile.TemporaryDirectory() as folder, start_s3() as s3:
        print(s3.line)
        python = install_peer(folder)
        buckets = s3.create_bucket(), s3.create_bucket()
        with Worker(sys.executable, s3, buckets[0]) as ours, Worker(python, s3, buckets[1]) as peer:
            targets = report(measure(ours, peer, options.rounds), ours, peer)
        large = Path(folder) / "large"
        with large.open("wb") as file:
            for _ in range(LARGE // MB):
                file.write(os.urandom(MB))
        grown = measure_memory((sys.executable, python), s3, large)
    targets |= report_memory(grown, sys.executable, python)
    for target, reached in targets.items():
        print(f"{'ok    ' if reached else 'MISSED'} {target}")
    return 1 if options.check and not all(targets.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
