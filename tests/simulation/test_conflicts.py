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
from tests.simulation.race_histories import WELCOME_CREDITS, JobHistories
from tests.simulation.race_ledger import checked_records
from tests.simulation.race_storm import LOST_ANSWERS, Storm, storm_over

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

STORMS = 8
LIVES = 25
THROTTLED = ("ThrottlingException", "ProvisionedThroughputExceededException")
KEY = IdempotencyKey.of("key", b"body")


@pytest.fixture
def storm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storm]:
    """A calm, until its share is raised."""
    monkeypatch.setenv("WELCOME_CREDITS", str(WELCOME_CREDITS))
    forget_settings()
    with storm_over(monkeypatch, request.node.name) as storm:
        yield storm
    forget_settings()


@pytest.fixture
def job(aws: None, storm: Storm) -> Job:
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


@pytest.mark.parametrize("seed", range(STORMS))
def test_the_ledger_balance_after_a_storm(
    seed: int,
    dynamodb_table: Connection,
    storm: Storm,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bucket, "delete_all", lambda *_: None)
    storm.share = 0.2
    histories = JobHistories(storm, str(seed))

    for number in range(LIVES):
        histories.live(number)

    storm.share = 0
    histories.check()
    with capsys.disabled():
        seen = ", ".join(f"{storm.seen[name]} {name}" for name in sorted(storm.seen))
        print(f"\nstorm {seed}: {LIVES} jobs, {seen}", end=" ")  # noqa: T201
    assert {"turned away", "answers lost", "refusals lost", "called again"} <= storm.seen.keys()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_gives_up_after_six_tries_and_has_written_nothing(
    verb: str, job: Job, storm: Storm
) -> None:
    before = everything()
    storm.share, storm.lost_share = 1, 0
    storm.seen.clear()

    with pytest.raises((TransactWriteError, UpdateError)) as given_up:
        VERBS[verb](job)

    assert given_up.value.cause_response_code in {
        "TransactionCanceledException",
        "TransactionConflictException",
        *THROTTLED,
    }
    assert storm.seen["turned away"] == 6
    assert len(storm.waits) == 5
    assert all(0 <= seconds <= 0.025 * 2**number for number, seconds in enumerate(storm.waits, 1))
    assert everything() == before


def test_a_verb_gives_up_when_two_seconds_have_passed(
    job: Job, storm: Storm, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each look at this clock is a second after the one before.
    monkeypatch.setattr(
        transactions, "time", SimpleNamespace(sleep=storm.waits.append, monotonic=count().__next__)
    )
    storm.share, storm.lost_share = 1, 0
    storm.seen.clear()

    with pytest.raises(TransactWriteError):
        hold()

    assert storm.seen["turned away"] == 3


@pytest.mark.parametrize("lost", LOST_ANSWERS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_whose_every_answer_is_lost_is_done_once(
    verb: str, lost: str, job: Job, storm: Storm
) -> None:
    before = everything()
    storm.share, storm.lost_share, storm.lost_answers = 1, 1, (lost,)
    with pytest.raises(PynamoDBException):
        VERBS[verb](job)
    once = everything()
    storm.share = 0

    VERBS[verb](job)

    assert everything() == once != before
    checked_records(job.account)


def test_the_last_credits_are_held_once_although_the_answer_was_lost(
    aws: None, storm: Storm
) -> None:
    open_account(10)
    storm.share, storm.lost_share = 1, 1
    with pytest.raises(PynamoDBException):
        hold()
    storm.share = 0

    accepted, repeated = hold()

    assert repeated
    records = checked_records(ANN)
    assert [known.job_id for known in records.jobs] == [accepted.job_id]
    assert (records.account.available, records.account.held, records.jobs[0].status) == (
        0,
        10,
        JobStatus.PENDING,
    )
