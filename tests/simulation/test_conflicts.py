"""Faults of writes: conflicts, throttling and lost responses.

The caller repeats a failed operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException, TransactWriteError, UpdateError

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job, JobStatus
from darkroom.media import bucket
from darkroom.storage import attempts, grants, jobs, ledger, provider_queue, transactions
from darkroom.storage.idempotency import IdempotencyKey
from tests.aws import client, forget_settings
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored
from tests.reports import REPORTED
from tests.simulation.account_records import checked_records
from tests.simulation.job_histories import WELCOME_CREDITS, JobHistories
from tests.simulation.write_faults import LOST_RESPONSES, WriteFaults, failing_writes

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

SEEDS = 8
JOBS = 25
THROTTLED = ("ThrottlingException", "ProvisionedThroughputExceededException")
KEY = IdempotencyKey.of("key", b"body")


@pytest.fixture
def write_faults(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WriteFaults]:
    """Faults of writes, off until the test sets `fault_rate`."""
    monkeypatch.setenv("WELCOME_CREDITS", str(WELCOME_CREDITS))
    forget_settings()
    with failing_writes(monkeypatch, request.node.name) as write_faults:
        yield write_faults
    forget_settings()


@pytest.fixture
def job(aws: None, write_faults: WriteFaults) -> Job:
    """A job in moto's table. Its account has credits left."""
    return held_job()


def hold(account: AccountId = ANN) -> tuple[Job, bool]:
    return ledger.hold(image_job(account=account), key=KEY, now=datetime.now(UTC))


def enqueue_once(job: Job) -> bool:
    """Enter the queue as the state WaitForSlot does. A job with an entry keeps it."""
    if job.queue_key:
        return True
    return provider_queue.enqueue(job, "token", "entry", now=NOON)


OPERATIONS: dict[str, Callable[[Job], object]] = {
    "hold": lambda job: hold(job.account),
    "grant": lambda job: grants.grant(job.account, 10, reason="gift", reference="gift", now=NOON),
    "correct": lambda job: grants.grant(
        job.account, -10, reason="mistake", reference="mistake", now=NOON
    ),
    "welcome": lambda job: grants.welcome(job.account, now=NOON),
    "resolve": lambda job: ledger.resolve(job.account, job.job_id, now=NOON),
    "take": lambda job: provider_queue.take(stored(job), now=NOON),
    "enqueue": lambda job: enqueue_once(stored(job)),
    "cancel": lambda job: jobs.request_cancel(job, next_check_at=NOON, now=NOON),
    "begin": lambda job: attempts.begin_attempt(job, "entry", lease_until=NOON, now=NOON),
}


def all_items() -> list[Any]:
    """Return every item of the table, sorted, without the write counter `revision`."""
    items = client("dynamodb").scan(TableName="darkroom-test", ConsistentRead=True)["Items"]
    return sorted(
        ({name: value for name, value in item.items() if name != "revision"} for item in items),
        key=str,
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_ledger_balances_after_faults_of_writes(
    seed: int,
    dynamodb_table: Connection,
    write_faults: WriteFaults,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bucket, "delete_all", lambda *_: None)
    write_faults.fault_rate = 0.2
    histories = JobHistories(write_faults, str(seed))

    for number in range(JOBS):
        histories.run_job(number)

    write_faults.fault_rate = 0
    histories.check()
    counts = write_faults.counts
    by_name = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    REPORTED.append(f"faults of writes, seed {seed}: {JOBS} jobs, {by_name}")
    assert {"rejected", "lost responses", "lost refusals", "repeated calls"} <= counts.keys()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_gives_up_after_six_tries_without_a_write(
    operation: str, job: Job, write_faults: WriteFaults
) -> None:
    before = all_items()
    write_faults.fault_rate, write_faults.lost_response_rate = 1, 0
    write_faults.counts.clear()

    with pytest.raises((TransactWriteError, UpdateError)) as raised:
        OPERATIONS[operation](job)

    assert raised.value.cause_response_code in {
        "TransactionCanceledException",
        "TransactionConflictException",
        *THROTTLED,
    }
    assert write_faults.counts["rejected"] == 6
    assert len(write_faults.waits) == 5
    assert all(
        0 <= seconds <= 0.025 * 2**number for number, seconds in enumerate(write_faults.waits, 1)
    )
    assert all_items() == before


def test_an_operation_gives_up_after_two_seconds(
    job: Job, write_faults: WriteFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each reading of this clock is one second after the previous one.
    monkeypatch.setattr(
        transactions,
        "time",
        SimpleNamespace(sleep=write_faults.waits.append, monotonic=count().__next__),
    )
    write_faults.fault_rate, write_faults.lost_response_rate = 1, 0
    write_faults.counts.clear()

    with pytest.raises(TransactWriteError):
        hold()

    assert write_faults.counts["rejected"] == 3


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_with_lost_responses_takes_effect_once(
    operation: str, aws: None, write_faults: WriteFaults
) -> None:
    for lost_response in LOST_RESPONSES:
        write_faults.fault_rate = 0
        job = held_job(account=AccountId("web", lost_response))
        before = all_items()
        write_faults.fault_rate, write_faults.lost_response_rate = 1, 1
        write_faults.lost_responses = (lost_response,)
        with pytest.raises(PynamoDBException):
            OPERATIONS[operation](job)
        once = all_items()
        write_faults.fault_rate = 0

        OPERATIONS[operation](job)

        assert all_items() == once != before, lost_response
        checked_records(job.account)


def test_the_last_credits_are_held_once_after_a_lost_response(
    aws: None, write_faults: WriteFaults
) -> None:
    open_account(10)
    write_faults.fault_rate, write_faults.lost_response_rate = 1, 1
    with pytest.raises(PynamoDBException):
        hold()
    write_faults.fault_rate = 0

    accepted, repeated = hold()

    assert repeated
    records = checked_records(ANN)
    assert [known.job_id for known in records.jobs] == [accepted.job_id]
    assert (records.account.available, records.account.held, records.jobs[0].status) == (
        0,
        10,
        JobStatus.PENDING,
    )
