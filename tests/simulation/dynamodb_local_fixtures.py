"""The project's table on DynamoDB Local, a start line of threads, and a report of what the races came to."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pynamodb.connection import Connection

from darkroom.storage import job_rows, table, transactions  # noqa: F401 (every kind of row is loaded)
from darkroom.storage.table import Row
from tests.aws import _TABLE_PROPERTIES, TEMPLATE, forget_settings
from tests.npm import NotHere
from tests.reports import REPORTED
from tests.simulation.dynamodb_local import fetched, running
from tests.simulation.race import THREADS, Race, Tally, answers_counted

# Each race is run as often as this, on an empty table each time.
ROUNDS = 4
_TALLIES = pytest.StashKey[dict[str, Tally]]()
_MISSING = pytest.StashKey[str]()
# Row itself has no items: a connection of its own would be inherited by every row.
_ROWS = [row for row in Row.__subclasses__() if row.__module__.startswith("darkroom.")]


@pytest.fixture(scope="session")
def dynamodb_local(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection to DynamoDB Local, for the whole session. Where it cannot run the races are skipped, but never in CI."""
    try:
        folder = fetched()
    except NotHere as missing:
        if os.environ.get("CI"):
            pytest.fail(f"the races must run in CI: {missing}")
        request.config.stash[_MISSING] = str(missing)
        warnings.warn(f"the races against DynamoDB Local are skipped: {missing}", stacklevel=1)
        pytest.skip(f"no DynamoDB Local: {missing}")
    with running(folder) as endpoint:
        # Thirty-two threads on a busy machine take their time, and that is not what the races are about.
        yield Connection(
            host=endpoint,
            read_timeout_seconds=60,
            max_retry_attempts=0,
            max_pool_connections=THREADS,
        )


@pytest.fixture
def dynamodb_table(
    dynamodb_local: Connection, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    """The table of the template, empty, with the project's rows connected to it."""
    for row in _ROWS:
        monkeypatch.setattr(row, "_connection", None)
        row._get_connection().connection._client = dynamodb_local.client
    monkeypatch.setattr(transactions, "_connection", lambda: dynamodb_local)
    forget_settings()
    properties = TEMPLATE["Resources"]["Table"]["Properties"]
    client: Any = dynamodb_local.client
    client.create_table(
        TableName=os.environ["TABLE_NAME"], **{name: properties[name] for name in _TABLE_PROPERTIES}
    )
    yield dynamodb_local
    client.delete_table(TableName=os.environ["TABLE_NAME"])
    forget_settings()


@pytest.fixture(params=range(ROUNDS))
def race(request: pytest.FixtureRequest, dynamodb_table: Connection) -> Iterator[Race]:
    """A start line of threads, whose outcomes are counted for the report."""
    name = request.node.originalname.removeprefix("test_").replace("_", " ")
    tally = request.config.stash.setdefault(_TALLIES, {}).setdefault(name, Tally(name))
    with ThreadPoolExecutor(THREADS) as threads, answers_counted(tally, dynamodb_table.client):
        yield Race(tally, threads)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Report what the races came to, or that there were none."""
    if missing := session.config.stash.get(_MISSING, None):
        REPORTED.append(f"RACES SKIPPED, none was run against DynamoDB Local: {missing}")
    if tallies := [*session.config.stash.get(_TALLIES, {}).values()]:
        REPORTED.append(f"races of {THREADS} threads against AWS's DynamoDB Local:")
        REPORTED.extend(f"  {tally}" for tally in tallies)
        rounds = sum(tally.rounds_count for tally in tallies)
        attempts = sum(tally.outcomes.total() for tally in tallies)
        refused, conflicts, calls = (
            sum(tally.answers[answer] for tally in tallies)
            for answer in ("refused", "conflict", "done")
        )
        REPORTED.append(
            f"  in all: {rounds} rounds, {attempts} attempts; {calls} calls done, {refused} refused, {conflicts} conflicts"
        )
