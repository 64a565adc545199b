"""Transactions are retried after transient errors and applied once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pynamodb.exceptions import TransactWriteError

from darkroom.domain.errors import (
    InsufficientCredits,
)
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import idempotency, ledger, transactions
from darkroom.storage.idempotency import IdempotencyKey
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored
from tests.integration.broken_aws import CONFLICT, LOST_ANSWER, THROTTLED, AwsError, failing_calls
from tests.integration.ledger.balances import (
    all_entries,
    changes,
    counters,
    with_outputs,
)

pytestmark = pytest.mark.usefixtures("aws")


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
