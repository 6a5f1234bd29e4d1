"""Releases deployed under traffic: whatever is changed in the models, neither release has a request that fails.

Old and new code are processes of their own; while each command migrates, a transaction that has read every table stays
open. DEPLOYMENTS_FULL=1 runs with more rows, requests and processes, DEPLOYMENTS_READER is that transaction's time in
seconds (2). `pytest -s` prints the table.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import command_server
import pytest
from deployments.deployment import HEADING, Deployments, Size
from deployments.scenarios import SCENARIOS
from deployments.watching import LockWatch

LOCK_TIMEOUT = 0.8  # seconds, what it is without the setting
TOLERANCE = 0.2  # seconds
READER = float(os.environ.get("DEPLOYMENTS_READER", "2"))  # seconds
FULL = bool(os.environ.get("DEPLOYMENTS_FULL"))
LARGE = Size(rows=200_000, requests=300, processes=2, pace=0.02, reader=READER, patience=1)
SIZE = LARGE if FULL else Size(reader=READER)
AT_ONCE = 2 if FULL else 8


@pytest.fixture(scope="session")
def commands(process_guard, tmp_path_factory):
    """The address of a server that runs management commands."""
    address = tmp_path_factory.mktemp("commands") / "socket"
    argv = [sys.executable, "-P", Path(command_server.__file__), address]
    server = process_guard.spawn(argv, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    yield str(address)
    server.terminate()
    server.wait(20)


@pytest.fixture(scope="session")
def outcomes(request, commands, postgres_service, tmp_path_factory):
    """Deploy, several at once, what the selected tests ask for."""
    calls = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    asked = dict.fromkeys(params["scenario"] for params in calls if "scenario" in params)
    with LockWatch(postgres_service.url) as watch, ThreadPoolExecutor(AT_ONCE) as pool:
        deployments = Deployments(tmp_path_factory.mktemp("projects"), commands, postgres_service, watch, SIZE)
        yield {scenario: pool.submit(deployments.run, scenario) for scenario in asked}
    deployments.close()


@pytest.fixture(scope="session")
def table():
    """The head of the table that tests print their rows of."""
    print(f"\n{HEADING}")


@pytest.fixture
def outcome(scenario, outcomes, table):
    """What deploying a scenario did to the site."""
    return outcomes[scenario].result()


def each(*, refused=False):
    """One test for each scenario."""
    scenarios = [scenario for scenario in SCENARIOS if bool(scenario.refused) == refused]
    return pytest.mark.parametrize("scenario", scenarios, ids=[scenario.name for scenario in scenarios])


@each()
def test_every_request_is_served(outcome):
    """Commands succeed, no request of either release fails, and each finds in the rows what the models promise."""
    print(outcome.row())
    assert outcome.made == [0] * len(outcome.made), outcome.output
    assert outcome.exits == {"pre": 0, "post": 0}, outcome.output
    assert not outcome.complaints, outcome.output


@each()
def test_waits_are_bounded(outcome):
    """No request waits longer for a lock than a statement of a migration may, whatever that statement waits for."""
    wait = outcome.longest_wait
    assert outcome.exits, outcome.output
    assert wait.seconds <= LOCK_TIMEOUT + TOLERANCE + outcome.lag, wait


@each(refused=True)
def test_what_no_tool_can_do_is_refused(scenario, outcome):
    """A change that cannot be made under traffic is refused before anything is written, and the message says why."""
    print(outcome.row())
    assert outcome.made[-1] != 0, outcome.output
    assert scenario.refused in outcome.output
    assert not outcome.exits
