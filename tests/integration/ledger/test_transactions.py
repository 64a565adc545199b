"""Transactions are retried after transient errors and applied once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pynamodb.exceptions import TransactWriteError

from darkroom.domain.accounts import Balance
from darkroom.domain.errors import (
    InsufficientCredits,
)
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import grants, idempotency, ledger, transactions
from darkroom.storage.idempotency import IdempotencyKey
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored
from tests.integration.broken_aws import CONFLICT, LOST_ANSWER, THROTTLED, AwsError, failing_calls
from tests.integration.ledger.balances import (
    all_entries,
    with_outputs,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestTransactions:
    def hold_with_errors(self, *errors: AwsError) -> tuple[Job, bool, list[str]]:
        """Hold a new job while the first transactions fail with these errors."""
        with failing_calls(
            transactions._connection().client, "TransactWriteItems", *errors
        ) as calls:
            job, repeated = ledger.hold(image_job(), key=None, now=NOON)
        return job, repeated, calls

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

        job, _, calls = self.hold_with_errors(error, error)

        assert calls[-1] == "sent"
        assert stored(job).held == 10
        assert ledger.balance(ANN) == Balance(
            available=90, held=10, granted=100, in_flight=1, jobs_total=1
        )

    def test_a_transaction_whose_response_was_lost_is_applied_once(self) -> None:
        open_account(100)

        job, _, _ = self.hold_with_errors(LOST_ANSWER, CONFLICT)

        assert stored(job).held == 10
        assert ledger.balance(ANN) == Balance(
            available=90, held=10, granted=100, in_flight=1, jobs_total=1
        )
        assert [entry.kind for entry in all_entries()] == ["hold", "grant"]

    def test_a_job_whose_response_was_lost_is_found_by_its_idempotency_key(self) -> None:
        open_account(100)
        key = IdempotencyKey.of("order 1", b"{}")

        with failing_calls(transactions._connection().client, "TransactWriteItems", LOST_ANSWER):
            job, _ = ledger.hold(image_job(), key=key, now=NOON)

        assert idempotency.find_accepted(ANN, key, now=NOON) == stored(job)
        assert ledger.balance(ANN) == Balance(
            available=90, held=10, granted=100, in_flight=1, jobs_total=1
        )

    @pytest.mark.parametrize("error", [CONFLICT, LOST_ANSWER])
    def test_a_retried_resolution_is_applied_once(self, error: AwsError) -> None:
        job = with_outputs(held_job(), 1)

        with failing_calls(transactions._connection().client, "TransactWriteItems", error):
            ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert (ended.status, ended.charged) == (JobStatus.COMPLETED, 10)
        assert ledger.balance(ANN) == Balance(available=90, spent=10, granted=100, jobs_total=1)
        assert len(all_entries()) == 3

    @pytest.mark.parametrize("error", [CONFLICT, LOST_ANSWER])
    def test_a_retried_grant_is_applied_once_and_is_no_repeat(self, error: AwsError) -> None:
        with failing_calls(transactions._connection().client, "TransactWriteItems", error):
            _, repeated = grants.grant(ANN, 25, reason="a reason", reference="order 1", now=NOON)

        assert not repeated
        assert ledger.balance(ANN) == Balance(available=25, granted=25)
        assert len(all_entries()) == 1

    def test_a_refused_transaction_is_not_retried(self) -> None:
        open_account(5)

        with (
            failing_calls(transactions._connection().client, "TransactWriteItems") as calls,
            pytest.raises(InsufficientCredits),
        ):
            ledger.hold(image_job(), key=None, now=NOON)

        assert calls == ["sent"]

    def test_retries_a_conflict_even_beside_a_failed_condition(self) -> None:
        open_account(100)
        both = AwsError(
            "TransactionCanceledException",
            reasons=("None", "TransactionConflict", "ConditionalCheckFailed"),
        )

        job, _, calls = self.hold_with_errors(both)

        assert calls == ["TransactionCanceledException", "sent"]
        assert stored(job).held == 10

    def test_raises_a_persistent_error_within_six_seconds(self) -> None:
        open_account(100)
        began_at = datetime.now(UTC)

        with pytest.raises(TransactWriteError):
            self.hold_with_errors(*[CONFLICT] * 20)

        assert datetime.now(UTC) - began_at < timedelta(seconds=6)
        assert ledger.balance(ANN) == Balance(available=100, granted=100)

    def test_a_permanent_error_is_not_retried(self) -> None:
        open_account(100)
        client = transactions._connection().client

        with (
            failing_calls(client, "TransactWriteItems", AwsError("AccessDeniedException")) as calls,
            pytest.raises(TransactWriteError),
        ):
            ledger.hold(image_job(), key=None, now=NOON)

        assert calls == ["AccessDeniedException"]
