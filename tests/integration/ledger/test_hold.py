"""Hold: what a new job moves and writes, and when it is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from darkroom.domain.accounts import AccountId, Balance
from darkroom.domain.errors import (
    InsufficientCredits,
    NotFound,
    RateLimited,
    TooManyJobs,
)
from darkroom.domain.jobs import JobStatus
from darkroom.services import callbacks
from darkroom.storage import idempotency, ledger
from darkroom.storage.idempotency import IdempotencyKey
from darkroom.storage.table import RateWindowRow
from tests.aws import forget_settings
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored
from tests.integration.ledger.balances import (
    ANN_ON_MOBILE,
    BOB,
    all_entries,
    changes,
    counters,
    with_limit,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestHold:
    def test_moves_the_credits_from_available_to_held_and_writes_the_job_with_an_entry(
        self,
    ) -> None:
        open_account(100)
        job = image_job(num_outputs=3)

        held, repeated = ledger.hold(job, key=None, now=NOON)

        assert not repeated
        assert counters() == (70, 30, 0, 100, 1, 1)
        assert stored(job) == held
        assert (held.status, held.quoted, held.held, held.charged, held.refunded) == (
            JobStatus.PENDING,
            30,
            30,
            0,
            0,
        )
        entry = all_entries()[0]
        assert changes(entry) == ("hold", 0, -30, 30, 0)
        assert (entry.job_id, entry.reference, entry.created_at) == (job.job_id, None, NOON)

    def test_takes_the_last_credit(self) -> None:
        open_account(10)

        ledger.hold(image_job(), key=None, now=NOON)

        assert counters() == (0, 10, 0, 10, 1, 1)

    def test_one_credit_short_is_refused_with_what_is_missing_and_nothing_changes(self) -> None:
        open_account(9)
        job = image_job()

        with pytest.raises(InsufficientCredits) as refused:
            ledger.hold(job, key=IdempotencyKey.of("k", b"{}"), now=NOON)

        assert (refused.value.required, refused.value.available) == (10, 9)
        assert counters() == (9, 0, 0, 9, 0, 0)
        assert len(all_entries()) == 1
        assert idempotency.find_accepted(ANN, IdempotencyKey.of("k", b"{}"), now=NOON) is None
        with pytest.raises(NotFound):
            stored(job)

    def test_an_account_that_never_was_has_no_credits(self) -> None:
        with pytest.raises(InsufficientCredits) as refused:
            ledger.hold(image_job(), key=None, now=NOON)

        assert (refused.value.required, refused.value.available) == (10, 0)
        assert ledger.balance(ANN) == Balance()

    def test_an_account_that_has_only_a_callback_secret_has_no_credits(self) -> None:
        callbacks.secrets_of(ANN, now=NOON)

        with pytest.raises(InsufficientCredits):
            ledger.hold(image_job(), key=None, now=NOON)
        assert ledger.balance(ANN) == Balance()
        open_account(10)
        ledger.hold(image_job(), key=None, now=NOON)
        assert counters() == (0, 10, 0, 10, 1, 1)

    def test_the_job_after_the_last_of_a_minute_gets_the_seconds_to_the_next_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_limit(monkeypatch, 1_000)
        open_account(2_000)
        for _ in range(120):
            ledger.hold(image_job(), key=None, now=NOON)
        at = NOON + timedelta(seconds=17.25)

        with pytest.raises(RateLimited) as refused:
            ledger.hold(image_job(), key=IdempotencyKey.of("k", b"{}"), now=at)

        assert (refused.value.per_minute_max, refused.value.retry_after_seconds) == (120, 43)
        assert counters()[0] == 800
        assert len(all_entries()) == 121
        assert idempotency.find_accepted(ANN, IdempotencyKey.of("k", b"{}"), now=NOON) is None

        ledger.hold(image_job(), key=None, now=at + timedelta(seconds=43))
        assert counters()[0] == 790

    @pytest.mark.parametrize(
        ("seconds", "retry_after"), [(0, 60), (0.001, 60), (30, 30), (59, 1), (59.999, 1)]
    )
    def test_the_next_minute_is_never_now(self, seconds: float, retry_after: int) -> None:
        assert (
            ledger.rate_limited(now=NOON + timedelta(seconds=seconds)).retry_after_seconds
            == retry_after
        )

    def test_a_minute_of_one_account_is_not_anothers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JOBS_PER_MINUTE_MAX", "1")
        forget_settings()
        for account in (ANN, BOB, AccountId("mobile", "ann")):
            open_account(100, account)
            ledger.hold(image_job(account=account), key=None, now=NOON)
            with pytest.raises(RateLimited):
                ledger.hold(image_job(account=account), key=None, now=NOON)

    def test_what_is_refused_does_not_count_and_a_repeat_neither(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBS_PER_MINUTE_MAX", "2")
        forget_settings()
        open_account(20)
        key = IdempotencyKey.of("k", b"{}")
        first, _ = ledger.hold(image_job(), key=key, now=NOON)
        for _ in range(3):
            assert ledger.hold(image_job(), key=key, now=NOON) == (first, True)
            with pytest.raises(InsufficientCredits):
                ledger.hold(image_job(num_outputs=2), key=None, now=NOON)

        ledger.hold(image_job(), key=None, now=NOON)

        assert counters()[1] == 20

    def test_refusals_have_an_order_and_an_accepted_request_comes_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBS_PER_MINUTE_MAX", "1")
        with_limit(monkeypatch, 1)
        open_account(20)
        key = IdempotencyKey.of("k", b"{}")
        job, _ = ledger.hold(image_job(), key=key, now=NOON)

        assert ledger.hold(image_job(), key=key, now=NOON) == (job, True)
        with pytest.raises(InsufficientCredits):
            ledger.hold(image_job(num_outputs=2), key=None, now=NOON)
        with pytest.raises(TooManyJobs):
            ledger.hold(image_job(), key=None, now=NOON)
        ledger.resolve(ANN, job.job_id, now=NOON)
        with pytest.raises(RateLimited):
            ledger.hold(image_job(), key=None, now=NOON)

    def test_the_count_of_a_minute_is_forgotten(self) -> None:
        open_account(100)

        ledger.hold(image_job(), key=None, now=NOON)

        (row,) = RateWindowRow.query("ACCOUNT#web#ann", RateWindowRow.sk.startswith("RATE#"))
        assert (row.sk, row.jobs, row.expires_at) == (
            "RATE#2026-01-02T12:00",
            1,
            NOON.timestamp() + 3_600,
        )

    def test_more_jobs_than_may_be_in_flight_are_refused_and_nothing_changes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_limit(monkeypatch, 2)
        open_account(100)
        for _ in range(2):
            ledger.hold(image_job(), key=None, now=NOON)

        with pytest.raises(TooManyJobs) as refused:
            ledger.hold(image_job(), key=None, now=NOON)

        assert refused.value.in_flight_max == 2
        assert counters() == (80, 20, 0, 100, 2, 2)

    def test_a_job_that_ended_no_longer_counts_as_in_flight(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_limit(monkeypatch, 1)
        first = held_job()
        with pytest.raises(TooManyJobs):
            ledger.hold(image_job(), key=None, now=NOON)

        ledger.resolve(ANN, first.job_id, now=NOON)
        ledger.hold(image_job(), key=None, now=NOON)

        assert counters() == (90, 10, 0, 100, 1, 2)

    def test_missing_credits_are_reported_before_too_many_jobs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_limit(monkeypatch, 1)
        open_account(15)
        ledger.hold(image_job(), key=None, now=NOON)

        with pytest.raises(InsufficientCredits) as refused:
            ledger.hold(image_job(), key=None, now=NOON)

        assert (refused.value.required, refused.value.available) == (10, 5)

    def test_accounts_do_not_touch_each_other(self) -> None:
        for account in (ANN, BOB, ANN_ON_MOBILE):
            open_account(50, account)

        ledger.hold(image_job(account=BOB), key=None, now=NOON)

        assert counters(BOB) == (40, 10, 0, 50, 1, 1)
        assert counters(ANN) == counters(ANN_ON_MOBILE) == (50, 0, 0, 50, 0, 0)
        assert len(all_entries(ANN)) == len(all_entries(ANN_ON_MOBILE)) == 1

    def test_the_same_job_is_never_held_twice(self) -> None:
        open_account(100)
        job = image_job()
        ledger.hold(job, key=None, now=NOON)

        ledger.hold(job, key=None, now=NOON)

        assert counters() == (90, 10, 0, 100, 1, 1)
