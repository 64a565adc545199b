"""A fifth of all writes meets another transaction, is throttled, or loses its answer; whoever gets an error simply calls again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException, TransactWriteError, UpdateError

from darkroom.domain.jobs import Job, JobStatus
from darkroom.media import bucket
from darkroom.storage import jobs, ledger, provider_queue, transactions
from darkroom.storage.idempotency import IdempotencyKey
from tests.aws import client, forget_settings
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored
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
    """A calm, until its share is raised."""
    monkeypatch.setenv("WELCOME_CREDITS", str(WELCOME_CREDITS))
    forget_settings()
    with failing_writes(monkeypatch, request.node.name) as write_faults:
        yield write_faults
    forget_settings()


@pytest.fixture
def job(aws: None, write_faults: WriteFaults) -> Job:
    """A job in moto's table, whose account has credits left."""
    return held_job()


def hold() -> tuple[Job, bool]:
    return ledger.hold(image_job(), key=KEY, now=datetime.now(UTC))


VERBS: dict[str, Callable[[Job], object]] = {
    "hold": lambda _: hold(),
    "grant": lambda job: ledger.grant(job.account, 10, reason="gift", reference="gift", now=NOON),
    "correct": lambda job: ledger.grant(
        job.account, -10, reason="mistake", reference="mistake", now=NOON
    ),
    "welcome": lambda job: ledger.welcome(job.account, now=NOON),
    "resolve": lambda job: ledger.resolve(job.account, job.job_id, now=NOON),
    "take": lambda job: provider_queue.acquire(stored(job), now=NOON),
    "cancel": lambda job: jobs.request_cancel(job, next_check_at=NOON, now=NOON),
    "begin": lambda job: jobs.begin_attempt(job, "entry", lease_until=NOON, now=NOON),
}


def everything() -> list[Any]:
    """Every item of the table, in one order, but for how often each was written."""
    items = client("dynamodb").scan(TableName="darkroom-test", ConsistentRead=True)["Items"]
    return sorted(
        ({name: value for name, value in item.items() if name != "revision"} for item in items),
        key=str,
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_ledger_balance_after_a_storm(
    seed: int,
    dynamodb_table: Connection,
    write_faults: WriteFaults,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bucket, "delete_all", lambda *_: None)
    write_faults.fault_rate = 0.2
    histories = JobHistories(write_faults, str(seed))

    for number in range(JOBS):
        histories.run_job(number)

    write_faults.fault_rate = 0
    histories.check()
    with capsys.disabled():
        seen = ", ".join(
            f"{write_faults.counts[name]} {name}" for name in sorted(write_faults.counts)
        )
        print(f"\nstorm {seed}: {JOBS} jobs, {seen}", end=" ")  # noqa: T201
    assert {
        "turned away",
        "answers lost",
        "refusals lost",
        "called again",
    } <= write_faults.counts.keys()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_gives_up_after_six_tries_and_has_written_nothing(
    verb: str, job: Job, write_faults: WriteFaults
) -> None:
    before = everything()
    write_faults.fault_rate, write_faults.lost_response_rate = 1, 0
    write_faults.counts.clear()

    with pytest.raises((TransactWriteError, UpdateError)) as raised:
        VERBS[verb](job)

    assert raised.value.cause_response_code in {
        "TransactionCanceledException",
        "TransactionConflictException",
        *THROTTLED,
    }
    assert write_faults.counts["turned away"] == 6
    assert len(write_faults.waits) == 5
    assert all(
        0 <= seconds <= 0.025 * 2**number for number, seconds in enumerate(write_faults.waits, 1)
    )
    assert everything() == before


def test_a_verb_gives_up_when_two_seconds_have_passed(
    job: Job, write_faults: WriteFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each look at this clock is a second after the one before.
    monkeypatch.setattr(
        transactions,
        "time",
        SimpleNamespace(sleep=write_faults.waits.append, monotonic=count().__next__),
    )
    write_faults.fault_rate, write_faults.lost_response_rate = 1, 0
    write_faults.counts.clear()

    with pytest.raises(TransactWriteError):
        hold()

    assert write_faults.counts["turned away"] == 3


@pytest.mark.parametrize("lost_response", LOST_RESPONSES)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_whose_every_answer_is_lost_is_done_once(
    verb: str, lost_response: str, job: Job, write_faults: WriteFaults
) -> None:
    before = everything()
    write_faults.fault_rate, write_faults.lost_response_rate, write_faults.lost_responses = (
        1,
        1,
        (lost_response,),
    )
    with pytest.raises(PynamoDBException):
        VERBS[verb](job)
    once = everything()
    write_faults.fault_rate = 0

    VERBS[verb](job)

    assert everything() == once != before
    checked_records(job.account)


def test_the_last_credits_are_held_once_although_the_answer_was_lost(
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
