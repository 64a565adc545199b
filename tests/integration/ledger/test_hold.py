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
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored
from tests.integration.ledger.balances import (
    ANN_ON_MOBILE,
    BOB,
    all_entries,
    changes,
)
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")


class TestHold:
    def test_moves_credits_from_available_to_held_and_writes_the_job_and_an_entry(
        self,
    ) -> None:
        open_account(100)
        job = image_job(num_outputs=3)

        held, repeated = ledger.hold(job, key=None, now=NOON)

        assert not repeated
        assert ledger.balance(ANN) == Balance(
            available=70, held=30, granted=100, in_flight=1, jobs_total=1
        )
        assert stored(job) == held
        assert (held.status, held.quoted, held.held, held.charged, held.refunded) == (
            JobStatus.PENDING,
            30,
            30,
            0,
            0,
        )
        entry = all_entries()[0]
        assert changes(entry) == ("hold", {"available": -30, "held": 30})
        assert (entry.job_id, entry.reference, entry.created_at) == (job.job_id, None, NOON)

    def test_accepts_a_job_that_costs_all_available_credits(self) -> None:
        open_account(10)

        ledger.hold(image_job(), key=None, now=NOON)

        assert ledger.balance(ANN) == Balance(held=10, granted=10, in_flight=1, jobs_total=1)

    def test_refuses_a_job_that_costs_one_credit_more_and_changes_nothing(self) -> None:
        open_account(9)
        job = image_job()

        with pytest.raises(InsufficientCredits) as raised:
            ledger.hold(job, key=IdempotencyKey.of("k", b"{}"), now=NOON)

        assert (raised.value.required, raised.value.available) == (10, 9)
        assert ledger.balance(ANN) == Balance(available=9, granted=9)
        assert len(all_entries()) == 1
        assert idempotency.find_accepted(ANN, IdempotencyKey.of("k", b"{}"), now=NOON) is None
        with pytest.raises(NotFound):
            stored(job)

    def test_refuses_an_unknown_account(self) -> None:
        with pytest.raises(InsufficientCredits) as raised:
            ledger.hold(image_job(), key=None, now=NOON)

        assert (raised.value.required, raised.value.available) == (10, 0)
        assert ledger.balance(ANN) == Balance()

    def test_refuses_an_account_that_has_only_a_callback_secret(self) -> None:
        callbacks.secrets_of(ANN, now=NOON)

        with pytest.raises(InsufficientCredits):
            ledger.hold(image_job(), key=None, now=NOON)
        assert ledger.balance(ANN) == Balance()
        open_account(10)
        ledger.hold(image_job(), key=None, now=NOON)
        assert ledger.balance(ANN) == Balance(held=10, granted=10, in_flight=1, jobs_total=1)

    def test_refuses_more_than_120_jobs_a_minute_until_the_next_minute(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_IN_FLIGHT_MAX", 1_000)
        open_account(2_000)
        for _ in range(120):
            ledger.hold(image_job(), key=None, now=NOON)
        later = NOON + timedelta(seconds=17.25)

        with pytest.raises(RateLimited) as raised:
            ledger.hold(image_job(), key=IdempotencyKey.of("k", b"{}"), now=later)

        assert (raised.value.limit, raised.value.retry_after_seconds) == (120, 43)
        assert ledger.balance(ANN).available == 800
        assert len(all_entries()) == 121
        assert idempotency.find_accepted(ANN, IdempotencyKey.of("k", b"{}"), now=NOON) is None

        ledger.hold(image_job(), key=None, now=later + timedelta(seconds=43))
        assert ledger.balance(ANN).available == 790

    def test_the_retry_time_is_from_1_to_60_seconds(self) -> None:
        for seconds, retry_after in ((0, 60), (0.001, 60), (30, 30), (59, 1), (59.999, 1)):
            error = ledger.rate_limited(now=NOON + timedelta(seconds=seconds))

            assert error.retry_after_seconds == retry_after, seconds

    def test_counts_the_jobs_a_minute_of_each_account_separately(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_PER_MINUTE_MAX", 1)
        for account in (ANN, BOB, AccountId("mobile", "ann")):
            open_account(100, account)
            ledger.hold(image_job(account=account), key=None, now=NOON)
            with pytest.raises(RateLimited):
                ledger.hold(image_job(account=account), key=None, now=NOON)

    def test_refused_and_repeated_holds_do_not_count_as_jobs_a_minute(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_PER_MINUTE_MAX", 2)
        open_account(20)
        key = IdempotencyKey.of("k", b"{}")
        first, _ = ledger.hold(image_job(), key=key, now=NOON)
        for _ in range(3):
            assert ledger.hold(image_job(), key=key, now=NOON) == (first, True)
            with pytest.raises(InsufficientCredits):
                ledger.hold(image_job(num_outputs=2), key=None, now=NOON)

        ledger.hold(image_job(), key=None, now=NOON)

        assert ledger.balance(ANN).held == 20

    def test_checks_repeats_then_credits_then_jobs_in_flight_then_rate(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBS_PER_MINUTE_MAX", "1")
        with_setting(monkeypatch, "JOBS_IN_FLIGHT_MAX", 1)
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

    def test_the_count_of_a_minute_expires_after_an_hour(self) -> None:
        open_account(100)

        ledger.hold(image_job(), key=None, now=NOON)

        (row,) = RateWindowRow.query("ACCOUNT#web#ann", RateWindowRow.sk.startswith("RATE#"))
        assert (row.sk, row.jobs, row.expires_at) == (
            "RATE#2026-01-02T12:00",
            1,
            NOON.timestamp() + 3_600,
        )

    def test_refuses_too_many_jobs_in_flight_and_changes_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_IN_FLIGHT_MAX", 2)
        open_account(100)
        for _ in range(2):
            ledger.hold(image_job(), key=None, now=NOON)

        with pytest.raises(TooManyJobs) as raised:
            ledger.hold(image_job(), key=None, now=NOON)

        assert raised.value.in_flight_max == 2
        assert ledger.balance(ANN) == Balance(
            available=80, held=20, granted=100, in_flight=2, jobs_total=2
        )

    def test_an_ended_job_no_longer_counts_as_in_flight(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_IN_FLIGHT_MAX", 1)
        first = held_job()
        with pytest.raises(TooManyJobs):
            ledger.hold(image_job(), key=None, now=NOON)

        ledger.resolve(ANN, first.job_id, now=NOON)
        ledger.hold(image_job(), key=None, now=NOON)

        assert ledger.balance(ANN) == Balance(
            available=90, held=10, granted=100, in_flight=1, jobs_total=2
        )

    def test_reports_insufficient_credits_before_too_many_jobs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_IN_FLIGHT_MAX", 1)
        open_account(15)
        ledger.hold(image_job(), key=None, now=NOON)

        with pytest.raises(InsufficientCredits) as raised:
            ledger.hold(image_job(), key=None, now=NOON)

        assert (raised.value.required, raised.value.available) == (10, 5)

    def test_changes_only_the_account_of_the_job(self) -> None:
        for account in (ANN, BOB, ANN_ON_MOBILE):
            open_account(50, account)

        ledger.hold(image_job(account=BOB), key=None, now=NOON)

        assert ledger.balance(BOB) == Balance(
            available=40, held=10, granted=50, in_flight=1, jobs_total=1
        )
        assert (
            ledger.balance(ANN)
            == ledger.balance(ANN_ON_MOBILE)
            == Balance(available=50, granted=50)
        )
        assert len(all_entries(ANN)) == len(all_entries(ANN_ON_MOBILE)) == 1

    def test_holds_the_same_job_once(self) -> None:
        open_account(100)
        job = image_job()
        ledger.hold(job, key=None, now=NOON)

        ledger.hold(job, key=None, now=NOON)

        assert ledger.balance(ANN) == Balance(
            available=90, held=10, granted=100, in_flight=1, jobs_total=1
        )
