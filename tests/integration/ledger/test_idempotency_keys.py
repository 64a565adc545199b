"""An idempotency key makes a repeated hold return the same job for 24 hours."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from darkroom.domain.accounts import AccountId, Balance
from darkroom.domain.errors import (
    IdempotencyKeyReused,
)
from darkroom.domain.jobs import Job
from darkroom.storage import idempotency, ledger
from darkroom.storage.idempotency import IdempotencyKey
from darkroom.storage.table import RequestRow
from tests.builders import ANN, NOON, image_job, open_account
from tests.integration.ledger.balances import (
    BOB,
)
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")


class TestIdempotencyKey:
    KEY = IdempotencyKey.of("order 1", b'{"a": 1}')

    def hold(
        self, *, key: IdempotencyKey | None = None, now: datetime = NOON, account: AccountId = ANN
    ) -> tuple[Job, bool]:
        return ledger.hold(image_job(account=account, now=now), key=key or self.KEY, now=now)

    def test_the_same_key_and_body_return_the_accepted_job(self) -> None:
        open_account(100)
        first, _ = self.hold()

        again, repeated = self.hold()

        assert repeated
        assert again == first
        assert ledger.balance(ANN) == Balance(
            available=90, held=10, granted=100, in_flight=1, jobs_total=1
        )

    def test_a_repeat_returns_the_job_without_available_credits(self) -> None:
        open_account(10)
        first, _ = self.hold()

        again, repeated = self.hold()

        assert (again.job_id, repeated) == (first.job_id, True)

    def test_a_repeat_returns_the_job_at_the_limit_of_jobs_in_flight(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_IN_FLIGHT_MAX", 1)
        open_account(100)
        first, _ = self.hold()

        assert self.hold()[0].job_id == first.job_id

    def test_refuses_the_same_key_with_another_body_and_changes_nothing(self) -> None:
        open_account(100)
        self.hold()

        with pytest.raises(IdempotencyKeyReused):
            self.hold(key=IdempotencyKey.of("order 1", b'{"a":1}'))

        assert ledger.balance(ANN) == Balance(
            available=90, held=10, granted=100, in_flight=1, jobs_total=1
        )

    def test_reports_a_reused_key_before_insufficient_credits(self) -> None:
        open_account(10)
        self.hold()

        with pytest.raises(IdempotencyKeyReused):
            self.hold(key=IdempotencyKey.of("order 1", b"another"))

    def test_another_key_creates_another_job(self) -> None:
        open_account(100)
        first, _ = self.hold()

        second, repeated = self.hold(key=IdempotencyKey.of("order 2", b'{"a": 1}'))

        assert not repeated
        assert second.job_id != first.job_id
        assert ledger.balance(ANN) == Balance(
            available=80, held=20, granted=100, in_flight=2, jobs_total=2
        )

    def test_two_accounts_can_use_the_same_key(self) -> None:
        for account in (ANN, BOB):
            open_account(10, account)

        all_jobs = [self.hold(account=account) for account in (ANN, BOB)]

        assert [repeated for _, repeated in all_jobs] == [False, False]
        assert [
            idempotency.find_accepted(account, self.KEY, now=NOON) for account in (ANN, BOB)
        ] == [job for job, _ in all_jobs]

    def test_a_key_expires_after_24_hours(self) -> None:
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

    def test_an_expired_key_can_be_used_with_another_body(self) -> None:
        open_account(100)
        self.hold()

        _, repeated = self.hold(
            key=IdempotencyKey.of("order 1", b"another"), now=NOON + timedelta(hours=25)
        )

        assert not repeated

    def test_stores_the_key_only_as_a_hash_that_expires(self) -> None:
        open_account(100)
        self.hold()

        rows = list(RequestRow.query("ACCOUNT#web#ann", RequestRow.sk.startswith("REQUEST#")))

        assert len(rows) == 1
        assert "order" not in rows[0].sk
        assert rows[0].expires_at == (NOON + timedelta(hours=24)).timestamp()
