"""What recording and reading events costs, beside eventsourcing's own recorders and eventsourcing-django 0.6.

Counts (statements, round trips) are exact. Times are ratios: every package is measured in a process of its own, in
interleaved rounds of one run on one server with durable commits. Judged is the median of the rounds' ratios: the speed
of a machine changes from second to second, and the best round of each package would compare their luck. `--check` exits
with 1 if a target is missed, `--rounds N` measures longer, `--only TEXT` only the rows with this text in their names.

eventsourcing-django 0.6 comes from the package index into a temporary environment of its own.
"""

import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

from counts import count
from peers import UPSTREAM, Peers

from pentad_services import start_postgres
from pentad_services.benchmark import OURS, Report, Table, options_of

NATIVE = "native"
COLUMNS = {
    OURS: "this package",
    NATIVE: f"eventsourcing {version('eventsourcing')}'s own recorders",
    UPSTREAM: f"eventsourcing-django {UPSTREAM}",
}

POSTGRES, SQLITE = "PostgreSQL", "SQLite"
WRITERS = 8


@dataclass(frozen=True)
class Row:
    """One measured case and the speed-up over another package that it has to reach."""

    database: str
    case: str
    size: int | None
    calls: int
    figure: str = "wall"
    targets: dict[str, float] = field(default_factory=dict, hash=False)
    kinds: tuple[str, ...] = tuple(COLUMNS)
    writers: int = 1

    @property
    def name(self):
        words = [self.case.replace("_", " "), f"{self.size}" if self.size else "", f"({self.figure})"]
        many = f" by {self.writers} applications" if self.writers > 1 else ""
        return f"{self.database}: {' '.join(filter(None, words))}{many}"

    @property
    def order(self):
        return {"case": self.case, "calls": self.calls} | ({"size": self.size} if self.size else {})


ROWS = [
    Row(POSTGRES, "save", 1, 100, targets={NATIVE: 1.5}),
    Row(POSTGRES, "save", 10, 40, targets={NATIVE: 1.8}),
    Row(POSTGRES, "save", 100, 10, targets={NATIVE: 1.5}),
    Row(POSTGRES, "save", 1, 100, "cpu", targets={NATIVE: 1 / 0.45}),
    Row(POSTGRES, "save", 100, 10, "cpu", targets={NATIVE: 1 / 0.6, UPSTREAM: 12}),
    Row(POSTGRES, "save_tracking", 1, 60),
    Row(POSTGRES, "save", 1, 40, targets={NATIVE: 1.6}, kinds=(OURS, NATIVE), writers=4),
    Row(POSTGRES, "save", 1, 40, targets={NATIVE: 2.5}, kinds=(OURS, NATIVE), writers=WRITERS),
    Row(POSTGRES, "read", 100, 60, targets={NATIVE: 1.6}),
    Row(POSTGRES, "notifications", 100, 60, targets={NATIVE: 1.2}),
    Row(POSTGRES, "max_id", None, 200, targets={NATIVE: 0.9}),
    Row(POSTGRES, "push", None, 100, "p50", targets={NATIVE: 1 / 1.2}, kinds=(OURS, NATIVE)),
    Row(POSTGRES, "push", None, 100, "p95", targets={NATIVE: 1 / 1.2}, kinds=(OURS, NATIVE)),
    Row(SQLITE, "save", 1, 100, "cpu", targets={NATIVE: 1 / 0.8}),
    Row(SQLITE, "save", 100, 20, targets={UPSTREAM: 3}),
    Row(SQLITE, "read", 100, 100, targets={NATIVE: 2}),
    Row(SQLITE, "notifications", 100, 100, targets={NATIVE: 1}),
]


def measure(row, peers):
    """Return one round's figure of each kind, in microseconds an event."""
    figures = {}
    for kind in row.kinds:
        workers = peers.workers(row.database, kind, row.writers, process=row.case == "save_tracking")
        for worker in workers:
            worker.send(**row.order)
        answers = [worker.receive() for worker in workers]
        figures[kind] = max(answer[row.figure] for answer in answers)
    return figures


def measure_all(rows, peers, rounds):
    """Return the figures of every row: one round of all rows after the other, each second one backwards."""
    figures = {row: [] for row in rows}
    for number in range(rounds + 1):
        for row in rows if number % 2 else rows[::-1]:
            measured = measure(row, peers)
            if number:  # the first round opens connections and fills caches
                figures[row].append(measured)
        peers.analyse()
    return figures


def typical(rounds):
    """Return each kind's median figure."""
    return {kind: median(figure[kind] for figure in rounds) for kind in rounds[0]}


def judge(row, rounds):
    """Return the row's targets with whether each was reached."""
    ratios = {kind: median(figure[kind] / figure[OURS] for figure in rounds) for kind in row.targets}
    return {
        f"{row.name} >= {limit:.2f} x {kind}: {ratios[kind]:.2f}": ratios[kind] >= limit
        for kind, limit in row.targets.items()
    }


def report_counts(report, url):
    """Show how many statements and round trips an operation takes, and judge them."""
    columns = {"statements": "statements", "round trips": "round trips"}
    table = Table("PostgreSQL, outside and inside of a transaction", columns, None)
    for name, statements, trips, most in count(url):
        table.rows[name] = {"statements": statements, "round trips": trips}
        report.require(f"{name} <= {most} statements and round trips", max(statements, trips) <= most)
    report.show(table)


def report_times(report, figures):
    """Show what an event costs, and judge it."""
    costs = {row.name: typical(rounds) for row, rounds in figures.items()}
    report.show(Table("µs an event", COLUMNS, "other/first", costs))
    for row, rounds in figures.items():
        for target, reached in judge(row, rounds).items():
            report.require(target, reached)


def main():
    """Measure, print and judge."""
    parser = options_of(__doc__, rounds=15)
    parser.add_argument("--only", default="", help="measure only the rows with this text in their names")
    options = parser.parse_args()
    report = Report("eventsourcing-django", ("eventsourcing", "django", "psycopg"))
    rows = [row for row in ROWS if options.only in row.name]
    with tempfile.TemporaryDirectory() as folder, start_postgres(Path(folder) / "postgres") as postgres:
        report.measured_with(postgres)
        report_counts(report, postgres.create_database())
        with Peers(Path(folder), postgres) as peers:
            report_times(report, measure_all(rows, peers, options.rounds))
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
