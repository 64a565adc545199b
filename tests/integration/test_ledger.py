"""The ledger: what each verb changes, what it refuses, and that they balance whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pynamodb.exceptions import TransactWriteError

from darkroom.domain.accounts import AccountId, Balance, Entry
from darkroom.domain.errors import (
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidRequest,
    NotFound,
    RateLimited,
    TooManyJobs,
)
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.services import callbacks
from darkroom.storage import idempotency, jobs, ledger, transactions
from darkroom.storage.idempotency import IdempotencyKey
from darkroom.storage.job_rows import JobRow
from darkroom.storage.table import AccountRow, RateWindowRow, RequestRow
from darkroom.storage.transactions import Refused
from tests.aws import forget_settings
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored
from tests.integration.broken_aws import CONFLICT, LOST_ANSWER, THROTTLED, AwsError, failing_calls

pytestmark = pytest.mark.usefixtures("aws")

BOB = AccountId("web", "bob")
ANN_ON_MOBILE = AccountId("mobile", "ann")
_names = count()


def counters(account: AccountId = ANN) -> tuple[int, int, int, int, int, int]:
    """available, held, spent, granted, in flight, jobs in total."""
    balance = ledger.balance(account)
    return (
        balance.available,
        balance.held,
        balance.spent,
        balance.granted,
        balance.in_flight,
        balance.jobs_total,
    )


def all_entries(account: AccountId = ANN) -> list[Entry]:
    entries: list[Entry] = []
    cursor: str | None = None
    while True:
        page = ledger.entries(account, limit=100, cursor=cursor)
        entries += page.items
        if (cursor := page.next_cursor) is None:
            return entries


def changes(entry: Entry) -> tuple[str, int, int, int, int]:
    return entry.kind, entry.granted, entry.available, entry.held, entry.spent


def output(number: int) -> Output:
    return Output(
        number=number,
        key=f"media/web/ann/{number}.webp",
        content_type="image/webp",
        bytes=100,
        width=10,
        height=10,
    )


def with_outputs(job: Job, outputs_count: int) -> Job:
    for number in range(outputs_count):
        assert jobs.record_output(stored(job), output(number))
    return stored(job)


def with_limit(monkeypatch: pytest.MonkeyPatch, jobs_in_flight_max: int) -> None:
    monkeypatch.setenv("JOBS_IN_FLIGHT_MAX", str(jobs_in_flight_max))
    forget_settings()


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


class TestIdempotencyKey:
    KEY = IdempotencyKey.of("order 1", b'{"a": 1}')

    def hold(
        self, *, key: IdempotencyKey | None = None, now: datetime = NOON, account: AccountId = ANN
    ) -> tuple[Job, bool]:
        return ledger.hold(image_job(account=account, now=now), key=key or self.KEY, now=now)

    def test_the_same_key_and_body_give_the_job_that_was_accepted(self) -> None:
        open_account(100)
        first, _ = self.hold()

        again, repeated = self.hold()

        assert repeated
        assert again == first
        assert counters() == (90, 10, 0, 100, 1, 1)

    def test_a_repeat_is_answered_also_when_the_credits_are_spent(self) -> None:
        open_account(10)
        first, _ = self.hold()

        again, repeated = self.hold()

        assert (again.job_id, repeated) == (first.job_id, True)

    def test_a_repeat_is_answered_also_when_no_more_jobs_may_be_in_flight(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_limit(monkeypatch, 1)
        open_account(100)
        first, _ = self.hold()

        assert self.hold()[0].job_id == first.job_id

    def test_the_same_key_with_another_body_is_refused_and_nothing_changes(self) -> None:
        open_account(100)
        self.hold()

        with pytest.raises(IdempotencyKeyReused):
            self.hold(key=IdempotencyKey.of("order 1", b'{"a":1}'))

        assert counters() == (90, 10, 0, 100, 1, 1)

    def test_a_reused_key_is_told_before_missing_credits(self) -> None:
        open_account(10)
        self.hold()

        with pytest.raises(IdempotencyKeyReused):
            self.hold(key=IdempotencyKey.of("order 1", b"another"))

    def test_another_key_is_another_job(self) -> None:
        open_account(100)
        first, _ = self.hold()

        second, repeated = self.hold(key=IdempotencyKey.of("order 2", b'{"a": 1}'))

        assert not repeated
        assert second.job_id != first.job_id
        assert counters() == (80, 20, 0, 100, 2, 2)

    def test_two_accounts_may_use_the_same_key(self) -> None:
        for account in (ANN, BOB):
            open_account(10, account)

        all_jobs = [self.hold(account=account) for account in (ANN, BOB)]

        assert [repeated for _, repeated in all_jobs] == [False, False]
        assert [
            idempotency.find_accepted(account, self.KEY, now=NOON) for account in (ANN, BOB)
        ] == [job for job, _ in all_jobs]

    def test_a_key_is_remembered_for_24_hours_and_not_longer(self) -> None:
        open_account(100)
        first, _ = self.hold()
        a_day = timedelta(hours=24)

        assert (
            idempotency.find_accepted(ANN, self.KEY, now=NOON + a_day - timedelta(seconds=1))
            == first
        )
        assert self.hold(now=NOON + a_day - timedelta(seconds=1))[1]
        assert idempotency.find_accepted(ANN, self.KEY, now=NOON + a_day) is None
        second, repeated = self.hold(now=NOON + a_day)

        assert not repeated
        assert second.job_id != first.job_id
        assert idempotency.find_accepted(ANN, self.KEY, now=NOON + a_day) == second

    def test_an_expired_key_may_come_with_another_body(self) -> None:
        open_account(100)
        self.hold()

        _, repeated = self.hold(
            key=IdempotencyKey.of("order 1", b"another"), now=NOON + timedelta(hours=25)
        )

        assert not repeated

    def test_the_key_itself_is_not_kept(self) -> None:
        open_account(100)
        self.hold()

        rows = list(RequestRow.query("ACCOUNT#web#ann", RequestRow.sk.startswith("REQUEST#")))

        assert len(rows) == 1
        assert "order" not in rows[0].sk
        assert rows[0].expires_at == (NOON + timedelta(hours=24)).timestamp()


class TestResolve:
    def test_everything_delivered_is_charged(self) -> None:
        job = with_outputs(held_job(num_outputs=2), 2)

        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert (ended.status, ended.quoted, ended.held, ended.charged, ended.refunded) == (
            JobStatus.COMPLETED,
            20,
            0,
            20,
            0,
        )
        assert ended.finished_at == NOON
        assert counters() == (80, 0, 20, 100, 0, 1)
        assert changes(all_entries()[0]) == ("settle", 0, 0, -20, 20)

    def test_an_ended_job_is_not_in_the_queue(self) -> None:
        job = held_job()
        attempt = jobs.begin_attempt(job, "entry", lease_until=NOON, now=NOON)
        assert attempt
        assert jobs.abandon_attempt(job, attempt, now=NOON)

        assert ledger.resolve(ANN, job.job_id, now=NOON).waiting_since is None

    def test_nothing_delivered_gives_everything_back(self) -> None:
        job = held_job(num_outputs=2)

        ended = ledger.resolve(ANN, job.job_id, reason=failure(FailureCode.REFUSED), now=NOON)

        assert (ended.status, ended.held, ended.charged, ended.refunded) == (
            JobStatus.FAILED,
            0,
            0,
            20,
        )
        assert ended.failure == failure(FailureCode.REFUSED)
        assert counters() == (100, 0, 0, 100, 0, 1)
        assert changes(all_entries()[0]) == ("release", 0, 20, -20, 0)

    @pytest.mark.parametrize(("delivered", "charged"), [(1, 10), (2, 20), (3, 30)])
    def test_a_part_delivered_charges_its_share(self, delivered: int, charged: int) -> None:
        job = with_outputs(held_job(num_outputs=4), delivered)

        ended = ledger.resolve(
            ANN, job.job_id, reason=failure(FailureCode.OUTPUT_UNAVAILABLE), now=NOON
        )

        assert (ended.status, ended.charged, ended.refunded) == (
            JobStatus.COMPLETED,
            charged,
            40 - charged,
        )
        assert counters() == (100 - charged, 0, charged, 100, 0, 1)
        assert changes(all_entries()[0]) == ("settle", 0, 40 - charged, -40, charged)

    def test_a_part_delivered_is_no_failure(self) -> None:
        job = with_outputs(held_job(num_outputs=2), 1)
        jobs.record_failure(job, failure(FailureCode.OUTPUT_UNAVAILABLE))

        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert (ended.status, ended.failure) == (JobStatus.COMPLETED, None)

    def test_the_reason_on_the_record_wins(self) -> None:
        job = held_job()
        jobs.record_failure(job, failure(FailureCode.REFUSED))

        assert ledger.resolve(
            ANN, job.job_id, reason=failure(FailureCode.INTERNAL), now=NOON
        ).failure == failure(FailureCode.REFUSED)

    def test_a_cancel_is_a_cancel(self) -> None:
        job = held_job()
        JobRow("ACCOUNT#web#ann", f"JOB#{job.job_id}").update(
            actions=[JobRow.cancel_requested_at.set(NOON)]
        )

        ended = ledger.resolve(ANN, job.job_id, reason=failure(FailureCode.INTERNAL), now=NOON)

        assert (ended.status, ended.refunded, ended.failure) == (
            JobStatus.CANCELED,
            10,
            failure(FailureCode.CANCELED),
        )

    @pytest.mark.parametrize("delivered", [0, 1])
    def test_a_second_resolution_changes_nothing_and_tells_the_first(self, delivered: int) -> None:
        job = with_outputs(held_job(), delivered)
        first = ledger.resolve(ANN, job.job_id, now=NOON)
        before, entries = counters(), all_entries()

        second = ledger.resolve(
            ANN, job.job_id, reason=failure(FailureCode.REFUSED), now=NOON + timedelta(hours=1)
        )

        assert second == first
        assert counters() == before
        assert all_entries() == entries

    def test_a_final_job_takes_no_more_outputs(self) -> None:
        job = held_job()
        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert not jobs.record_output(ended, output(0))
        assert stored(job) == ended

    def test_a_write_between_reading_and_writing_is_not_lost(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        read, outputs = jobs.read, iter([output(0)])

        def read_and_be_overtaken(account: AccountId, job_id: str) -> Job:
            seen = read(account, job_id)
            for late in outputs:
                assert jobs.record_output(seen, late)
            return seen

        monkeypatch.setattr(jobs, "read", read_and_be_overtaken)
        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert (ended.status, ended.charged, len(ended.outputs)) == (JobStatus.COMPLETED, 10, 1)
        assert counters() == (90, 0, 10, 100, 0, 1)

    def test_what_is_not_held_is_not_given_back(self) -> None:
        job = held_job()
        AccountRow("ACCOUNT#web#ann").update([AccountRow.held.set(9)])

        with pytest.raises(Refused):
            ledger.resolve(ANN, job.job_id, now=NOON)

        assert counters() == (90, 9, 0, 100, 1, 1)
        assert (stored(job).status, len(all_entries())) == (JobStatus.PENDING, 2)

    def test_the_task_token_is_forgotten(self) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)

        assert ledger.resolve(ANN, job.job_id, now=NOON).task_token is None

    def test_a_job_that_is_not_there_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            ledger.resolve(ANN, image_job().job_id, now=NOON)


class TestGrant:
    def grant(self, amount: int, reference: str = "order 1") -> tuple[Entry, bool]:
        return ledger.grant(ANN, amount, reason="a reason", reference=reference, now=NOON)

    def test_makes_credits_available_with_an_entry(self) -> None:
        entry, repeated = self.grant(25)

        assert not repeated
        assert changes(entry) == ("grant", 25, 25, 0, 0)
        assert (entry.reference, entry.job_id, entry.created_at) == ("order 1", None, NOON)
        assert all_entries() == [entry]
        assert counters() == (25, 0, 0, 25, 0, 0)

    def test_the_same_reference_twice_is_one_grant(self) -> None:
        first, _ = self.grant(25)

        assert self.grant(25) == (first, True)
        assert counters() == (25, 0, 0, 25, 0, 0)
        assert all_entries() == [first]

    @pytest.mark.parametrize("amount", [24, 26, -25, -1])
    def test_the_same_reference_for_another_amount_is_refused(self, amount: int) -> None:
        self.grant(25)

        with pytest.raises(InvalidRequest) as refused:
            self.grant(amount)

        assert [error.field for error in refused.value.errors] == ["reference"]
        assert counters() == (25, 0, 0, 25, 0, 0)

    def test_two_accounts_may_have_the_same_reference(self) -> None:
        self.grant(25)

        _, repeated = ledger.grant(BOB, 25, reason="a reason", reference="order 1", now=NOON)

        assert not repeated

    def test_a_correction_takes_back_what_is_available(self) -> None:
        self.grant(25)

        entry, _ = self.grant(-25, "mistake")

        assert changes(entry) == ("correction", -25, -25, 0, 0)
        assert counters() == (0, 0, 0, 0, 0, 0)

    def test_a_correction_never_goes_below_zero_available(self) -> None:
        held_job(credits=25)

        with pytest.raises(InvalidRequest) as refused:
            self.grant(-16)

        assert [error.field for error in refused.value.errors] == ["amount"]
        assert counters() == (15, 10, 0, 25, 1, 1)
        assert not self.grant(-15)[1]
        assert counters() == (0, 10, 0, 10, 1, 1)

    def test_an_account_that_never_was_has_nothing_to_take_back(self) -> None:
        with pytest.raises(InvalidRequest):
            self.grant(-1)

        assert ledger.balance(ANN) == Balance()
        assert all_entries() == []

    def test_a_repeated_correction_takes_once(self) -> None:
        self.grant(25)
        self.grant(-20, "mistake")

        assert self.grant(-20, "mistake")[1]
        assert counters() == (5, 0, 0, 5, 0, 0)


class TestEntries:
    def test_come_newest_first_and_each_exactly_once_page_by_page(self) -> None:
        for number in range(7):
            ledger.grant(ANN, number + 1, reason="a reason", reference=str(number), now=NOON)

        seen, cursor = list[int](), None
        for expected in (3, 3, 1):
            page = ledger.entries(ANN, limit=3, cursor=cursor)
            assert len(page.items) == expected
            seen += [entry.granted for entry in page.items]
            cursor = page.next_cursor

        assert seen == [7, 6, 5, 4, 3, 2, 1]
        assert cursor is None

    def test_a_last_page_that_is_full_has_no_next_one(self) -> None:
        for number in range(3):
            ledger.grant(ANN, 1, reason="a reason", reference=str(number), now=NOON)

        assert ledger.entries(ANN, limit=3, cursor=None).next_cursor is None

    def test_what_is_written_in_between_moves_nothing(self) -> None:
        for number in range(4):
            ledger.grant(ANN, number + 1, reason="a reason", reference=str(number), now=NOON)
        first = ledger.entries(ANN, limit=2, cursor=None)
        ledger.grant(ANN, 99, reason="a reason", reference="late", now=NOON)

        second = ledger.entries(ANN, limit=2, cursor=first.next_cursor)

        assert [entry.granted for entry in (*first.items, *second.items)] == [4, 3, 2, 1]

    @pytest.mark.parametrize("cursor", ["", "%", "####", "Sk9CIw", "w6Q", "a", "AAAA" * 40])
    def test_a_cursor_of_another_accounts_making_is_refused(self, cursor: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            ledger.entries(ANN, limit=3, cursor=cursor)

        assert [error.field for error in refused.value.errors] == ["cursor"]

    def test_are_of_the_one_account_only(self) -> None:
        open_account(10, ANN)
        open_account(20, BOB)

        assert [entry.granted for entry in all_entries(BOB)] == [20]


class TestTransactions:
    """Conflicts and throttling are waited out; what was decided is not asked again."""

    def hold_meeting(self, *errors: AwsError) -> tuple[Job, bool, list[str]]:
        with failing_calls(
            transactions._connection().client, "TransactWriteItems", *errors
        ) as seen:
            job, repeated = ledger.hold(image_job(), key=None, now=NOON)
        return job, repeated, seen

    @pytest.mark.parametrize(
        "error",
        [
            CONFLICT,
            THROTTLED,
            AwsError("TransactionInProgressException"),
            AwsError("ThrottlingException"),
        ],
    )
    def test_a_transient_error_is_retried(self, error: AwsError) -> None:
        open_account(100)

        job, _, seen = self.hold_meeting(error, error)

        assert seen[-1] == "sent"
        assert stored(job).held == 10
        assert counters() == (90, 10, 0, 100, 1, 1)

    def test_an_answer_that_was_lost_is_not_done_twice(self) -> None:
        open_account(100)

        job, _, _ = self.hold_meeting(LOST_ANSWER, CONFLICT)

        assert stored(job).held == 10
        assert counters() == (90, 10, 0, 100, 1, 1)
        assert [changes(entry)[0] for entry in all_entries()] == ["hold", "grant"]

    def test_an_accepted_request_is_the_same_job_when_its_answer_was_lost(self) -> None:
        open_account(100)
        key = IdempotencyKey.of("order 1", b"{}")

        with failing_calls(transactions._connection().client, "TransactWriteItems", LOST_ANSWER):
            job, _ = ledger.hold(image_job(), key=key, now=NOON)

        assert idempotency.find_accepted(ANN, key, now=NOON) == stored(job)
        assert counters() == (90, 10, 0, 100, 1, 1)

    @pytest.mark.parametrize("error", [CONFLICT, LOST_ANSWER])
    def test_a_resolution_is_not_done_twice_either(self, error: AwsError) -> None:
        job = with_outputs(held_job(), 1)

        with failing_calls(transactions._connection().client, "TransactWriteItems", error):
            ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert (ended.status, ended.charged) == (JobStatus.COMPLETED, 10)
        assert counters() == (90, 0, 10, 100, 0, 1)
        assert len(all_entries()) == 3

    @pytest.mark.parametrize("error", [CONFLICT, LOST_ANSWER])
    def test_a_grant_is_not_given_twice_either_and_is_no_repeat(self, error: AwsError) -> None:
        with failing_calls(transactions._connection().client, "TransactWriteItems", error):
            _, repeated = ledger.grant(ANN, 25, reason="a reason", reference="order 1", now=NOON)

        assert not repeated
        assert counters() == (25, 0, 0, 25, 0, 0)
        assert len(all_entries()) == 1

    def test_a_decided_refusal_is_asked_once(self) -> None:
        open_account(5)

        with (
            failing_calls(transactions._connection().client, "TransactWriteItems") as seen,
            pytest.raises(InsufficientCredits),
        ):
            ledger.hold(image_job(), key=None, now=NOON)

        assert seen == ["sent"]

    def test_a_conflict_beside_a_failed_condition_is_not_taken_for_a_refusal(self) -> None:
        open_account(100)
        both = AwsError(
            "TransactionCanceledException",
            reasons=("None", "TransactionConflict", "ConditionalCheckFailed"),
        )

        job, _, seen = self.hold_meeting(both)

        assert seen == ["TransactionCanceledException", "sent"]
        assert stored(job).held == 10

    def test_an_error_that_persists_is_raised_within_six_seconds(self) -> None:
        open_account(100)
        began_at = datetime.now(UTC)

        with pytest.raises(TransactWriteError):
            self.hold_meeting(*[CONFLICT] * 20)

        assert datetime.now(UTC) - began_at < timedelta(seconds=6)
        assert counters() == (100, 0, 0, 100, 0, 0)

    def test_an_error_that_no_patience_cures_is_not_requested_again(self) -> None:
        open_account(100)
        client = transactions._connection().client

        with (
            failing_calls(client, "TransactWriteItems", AwsError("AccessDeniedException")) as seen,
            pytest.raises(TransactWriteError),
        ):
            ledger.hold(image_job(), key=None, now=NOON)

        assert seen == ["AccessDeniedException"]


type Verb = tuple[str, int]
_verbs = st.lists(
    st.tuples(
        st.sampled_from(["grant", "hold", "hold again", "deliver", "resolve"]),
        st.integers(min_value=-40, max_value=40),
    ),
    min_size=1,
    max_size=14,
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_verbs)
def test_the_ledger_balance_after_whatever_sequence_of_verbs(verbs: list[Verb]) -> None:
    account = AccountId("web", f"account-{next(_names)}")
    all_jobs: list[Job] = []
    doing: dict[str, Callable[[int], object]] = {
        "grant": lambda amount: ledger.grant(
            account, amount or 1, reason="a reason", reference=str(amount), now=NOON
        ),
        "hold": lambda amount: all_jobs.append(
            ledger.hold(
                image_job(account=account, num_outputs=abs(amount) % 4 + 1), key=None, now=NOON
            )[0]
        ),
        "hold again": lambda amount: (
            ledger.hold(all_jobs[amount % len(all_jobs)], key=None, now=NOON) if all_jobs else None
        ),
        "deliver": lambda amount: (
            all_jobs
            and jobs.record_output(
                now := stored(all_jobs[amount % len(all_jobs)]), output(len(now.outputs))
            )
        ),
        "resolve": lambda amount: (
            all_jobs and ledger.resolve(account, all_jobs[amount % len(all_jobs)].job_id, now=NOON)
        ),
    }
    for verb, amount in verbs:
        with suppress(InsufficientCredits, TooManyJobs, InvalidRequest):
            doing[verb](amount)

        balance = ledger.balance(account)
        assert balance.granted == balance.available + balance.held + balance.spent
        assert min(astuple(balance)) >= 0

    entries = all_entries(account)
    for counter in ("granted", "available", "held", "spent"):
        assert getattr(balance, counter) == sum(getattr(entry, counter) for entry in entries)
    assert all(entry.granted == entry.available + entry.held + entry.spent for entry in entries)
    records = [stored(job) for job in all_jobs]
    assert balance.in_flight == sum(not job.status.is_final for job in records)
    assert balance.held == sum(job.held for job in records)
    assert all(
        job.charged + job.refunded == job.quoted and job.held == 0
        for job in records
        if job.status.is_final
    )
