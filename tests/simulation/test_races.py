"""32 threads change the same account: no credits are spent or granted twice, and none are lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from darkroom.domain.accounts import Account, AccountId, Entry
from darkroom.domain.errors import (
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidRequest,
    RateLimited,
    Suspended,
    TooManyJobs,
)
from darkroom.domain.jobs import Job
from darkroom.storage import accounts, grants, ledger
from darkroom.storage.idempotency import IdempotencyKey
from tests.aws import forget_settings
from tests.builders import ANN, NOON, image_job, open_account
from tests.simulation.account_records import checked_records
from tests.simulation.race import THREADS, Race, raised, returned

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

KEY = IdempotencyKey.of("key", b"body")


def submit(key: IdempotencyKey | None = None) -> tuple[Job, bool]:
    """Submit a new job for 10 credits."""
    return ledger.hold(image_job(), key=key, now=datetime.now(UTC))


def grant(amount: int, reference: str) -> tuple[Entry, bool]:
    return grants.grant(ANN, amount, reason="gift", reference=reference, now=NOON)


def test_the_last_credits_are_spent_once(race: Race) -> None:
    open_account(75)

    outcomes = race.run(lambda _: submit())

    assert len(returned(outcomes)) == 7
    assert {type(error) for error in raised(outcomes)} == {InsufficientCredits}
    records = checked_records(ANN)
    assert (records.account.available, records.account.held) == (5, 70)


def test_no_more_jobs_are_open_than_the_limit(race: Race) -> None:
    open_account(1_000)

    outcomes = race.run(lambda _: submit())

    assert len(returned(outcomes)) == 20
    assert {type(error) for error in raised(outcomes)} == {TooManyJobs}
    assert checked_records(ANN).account.in_flight == 20


def test_no_more_jobs_are_accepted_in_a_minute_than_the_limit(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS_PER_MINUTE_MAX", "13")
    forget_settings()
    open_account(1_000)

    outcomes = race.run(lambda _: ledger.hold(image_job(), key=None, now=NOON))

    assert len(returned(outcomes)) == 13
    assert {type(error) for error in raised(outcomes)} == {RateLimited}
    assert checked_records(ANN).account.in_flight == 13


def test_an_ended_job_makes_room_for_one_job(race: Race) -> None:
    open_account(1_000)
    running = [submit()[0] for _ in range(18)]

    def end_or_submit(worker: int) -> object:
        return ledger.resolve(ANN, running[worker].job_id, now=NOON) if worker < 10 else submit()

    outcomes = race.run(end_or_submit)

    assert {type(error) for error in raised(outcomes)} <= {TooManyJobs}
    submitted = returned(outcomes[10:])
    assert 2 <= len(submitted) <= 12
    assert checked_records(ANN).account.in_flight == 8 + len(submitted)


def test_a_suspension_refuses_every_job_that_is_held_after_it(race: Race) -> None:
    open_account(1_000)

    def suspend_or_submit(worker: int) -> object:
        if worker:
            return submit()
        return accounts.suspend(ANN, by=ANN, reason=None, now=NOON)

    outcomes = race.run(suspend_or_submit)

    held = returned(outcomes[1:])
    assert isinstance(outcomes[0], Account)
    assert {type(error) for error in raised(outcomes)} <= {Suspended, TooManyJobs}
    # The suspension shows the balance that it met. No hold comes after it.
    assert outcomes[0].balance.held == checked_records(ANN).account.held == 10 * len(held)


def test_the_same_key_is_one_job(race: Race) -> None:
    # The last credits: a second job could not be paid.
    open_account(10)

    outcomes = race.run(lambda _: submit(KEY))

    assert raised(outcomes) == []
    (job,) = checked_records(ANN).jobs
    assert {accepted.job_id for accepted, _ in returned(outcomes)} == {job.job_id}
    assert sum(not repeated for _, repeated in returned(outcomes)) == 1


def test_the_same_key_with_two_bodies_is_a_job_of_one_body(race: Race) -> None:
    open_account(100)
    keys = [IdempotencyKey.of("key", body) for body in (b"this", b"that")]

    outcomes = race.run(lambda worker: submit(keys[worker % 2]))

    accepted_body, refused_body = sorted(
        [outcomes[0::2], outcomes[1::2]], key=lambda half: len(raised(half))
    )
    (job,) = checked_records(ANN).jobs
    assert raised(accepted_body) == []
    assert {accepted.job_id for accepted, _ in returned(accepted_body)} == {job.job_id}
    assert returned(refused_body) == []
    assert {type(error) for error in raised(refused_body)} == {IdempotencyKeyReused}


def test_the_same_reference_is_one_grant(race: Race) -> None:
    outcomes = race.run(lambda _: grant(10, "gift"))

    assert raised(outcomes) == []
    (entry,) = checked_records(ANN).entries
    assert {granted.entry_id for granted, _ in returned(outcomes)} == {
        entry.sk.removeprefix("ENTRY#")
    }
    assert sum(not repeated for _, repeated in returned(outcomes)) == 1


def test_the_same_reference_with_two_amounts_is_a_grant_of_one_amount(race: Race) -> None:
    outcomes = race.run(lambda worker: grant(10 + worker % 2, "gift"))

    granted = checked_records(ANN).account.granted
    assert {entry.granted for entry, _ in returned(outcomes)} == {granted}
    assert len(returned(outcomes)) == THREADS / 2
    assert {type(error) for error in raised(outcomes)} == {InvalidRequest}


def test_a_correction_and_a_hold_never_use_the_same_credits(race: Race) -> None:
    open_account(105)

    def correct_or_submit(worker: int) -> object:
        return grant(-10, f"mistake {worker}") if worker % 2 else submit()

    outcomes = race.run(correct_or_submit)

    assert len(returned(outcomes)) == 10
    assert {type(error) for error in raised(outcomes)} == {InsufficientCredits, InvalidRequest}
    assert checked_records(ANN).account.available == 5


def test_a_user_gets_welcome_credits_once_on_any_platform(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WELCOME_CREDITS", "25")
    forget_settings()
    platforms = [AccountId(platform, "ann") for platform in ("web", "mobile")]

    outcomes = race.run(lambda worker: grants.welcome(platforms[worker % 2], now=NOON))

    assert (outcomes.count(True), outcomes.count(False)) == (1, THREADS - 1)
    assert checked_records(platforms[outcomes.index(True) % 2]).account.granted == 25
    assert sum(ledger.balance(account).granted for account in platforms) == 25
