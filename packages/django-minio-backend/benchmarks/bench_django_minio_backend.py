"""What files cost on a real S3 server, beside django-minio-backend 4.5.0 and django-storages: rates, and memory.

All are measured in one run, in interleaved rounds, on the same Python, Django, minio and server; the medians are shown.
Only ratios are judged, by the median of those within a round, as what else the machine does slows neighbours alike;
times tell about the machine. Memory is the growth of the peak of a process that
has saved and read a small file before. `--check` exits with 1 if a target is missed, `--rounds N` measures longer.

The other two come from the package index into temporary environments of their own. django-minio-backend 4.5.0 needs
Python 3.12.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from pentad_services import start_s3
from pentad_services.benchmark import OURS, Report, Table, Worker, installed, make_environment, options_of

PEER = "4.5.0"
STORAGES = "django-storages"
STORAGES_VERSION = "1.14.6"
COLUMNS = {
    OURS: "this package",
    PEER: f"django-minio-backend {PEER}",
    STORAGES: f"django-storages {STORAGES_VERSION} (boto3)",
}
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


def worker_on(column, python, s3, bucket):
    """Start a process that measures the package of a column, in its environment, on a bucket."""
    settings = {
        "MINIO_ENDPOINT": s3.endpoint,
        "MINIO_ACCESS_KEY": s3.access_key,
        "MINIO_SECRET_KEY": s3.secret_key,
        "MINIO_USE_HTTPS": s3.secure,
        "MINIO_REGION": s3.region,
        "MINIO_DEFAULT_BUCKET": bucket,
        "MINIO_PRIVATE_BUCKETS": [bucket],
    }
    return Worker(python, WORKER, column, json.dumps(settings))


def measure(workers, rounds):
    """Return the seconds of one operation by case and column, one figure a round."""
    measured = {case: {column: [] for column in workers} for case in CASES}
    for turn in range(rounds):
        for case, times in CASES.items():
            for column, worker in list(workers.items())[:: 1 - turn % 2 * 2]:
                measured[case][column].append(worker.ask(case=case, times=times) / times)
    return measured


def measure_memory(pythons, s3, path):
    """Return the growth of memory in bytes by what is done and column; each in a process of its own."""
    grown = {what: {} for what in AT_MOST}
    for column, python in pythons.items():
        bucket = s3.create_bucket()
        for what, figures in grown.items():
            with worker_on(column, python, s3, bucket) as worker:
                figures[column] = worker.ask(memory={"what": what, "path": str(path)})
    return grown


def report_rates(report, measured):
    """Show what an operation costs, and judge the rates."""
    micros = {
        case: {column: 1e6 * median(rounds) for column, rounds in costs.items()} for case, costs in measured.items()
    }
    report.show(Table("µs an operation", COLUMNS, "other/first", micros))
    for case, least in AT_LEAST.items():
        ratio = median(peer / ours for ours, peer in zip(measured[case][OURS], measured[case][PEER], strict=True))
        report.require(f"{case} >= {least} x {PEER}: {ratio:.2f}", ratio >= least)


def report_memory(report, grown):
    """Show the growth of memory, and judge it."""
    megabytes = {what: {column: size / MB for column, size in sizes.items()} for what, sizes in grown.items()}
    report.show(Table("MB, 200 MB file", COLUMNS, None, megabytes))
    for what, most in AT_MOST.items():
        report.require(f"memory, {what} <= {most // MB} MB", grown[what][OURS] <= most)


def main():
    """Measure, print and judge."""
    options = options_of(__doc__, rounds=31).parse_args()
    report = Report("django-minio-backend", SHARED)
    if sys.version_info < (3, 12):
        report.note(
            f"Nothing is measured: django-minio-backend {PEER} needs Python 3.12 or newer, and so does this comparison."
        )
        return 1 if options.check else report.finish(options)
    with tempfile.TemporaryDirectory() as folder, start_s3() as s3:
        report.measured_with(s3)
        upstream = make_environment(Path(folder) / "upstream", f"django-minio-backend=={PEER}", *installed(*SHARED))
        wanted = (f"django-storages[s3]=={STORAGES_VERSION}", *installed("django"))
        pythons = {
            OURS: sys.executable,
            PEER: upstream,
            STORAGES: make_environment(Path(folder) / "storages", *wanted),
        }
        with ExitStack() as stack:
            workers = {
                column: stack.enter_context(worker_on(column, python, s3, s3.create_bucket()))
                for column, python in pythons.items()
            }
            report_rates(report, measure(workers, options.rounds))
        large = Path(folder) / "large"
        with large.open("wb") as file:
            for _ in range(LARGE // MB):
                file.write(os.urandom(MB))
        report_memory(report, measure_memory(pythons, s3, large))
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
