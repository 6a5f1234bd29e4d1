"""How often a recorder waits for PostgreSQL, counted by a proxy between them."""

import json
import subprocess
import sys
from pathlib import Path

from waiting import PATIENCE

COUNTS = Path(__file__).parents[1] / "benchmarks" / "counts.py"


def test_an_operation_takes_as_many_statements_and_round_trips_as_promised(postgres_database):
    """One outside of a transaction, three inside (a savepoint around it), none if there is nothing to save."""
    command = [sys.executable, COUNTS, postgres_database]
    counted = json.loads(subprocess.check_output(command, text=True, timeout=PATIENCE))
    assert {name: (statements, trips) for name, statements, trips, _ in counted} == {
        name: (promised, promised) for name, _, _, promised in counted
    }
    assert {promised for _, _, _, promised in counted} == {0, 1, 3}
