"""Resolve: a hold is settled or released once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from darkroom.domain.accounts import AccountId, Balance
from darkroom.domain.errors import (
    NotFound,
)
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import attempts, jobs, ledger
from darkroom.storage.job_rows import JobRow
from darkroom.storage.table import AccountRow
from darkroom.storage.transactions import Refused
from tests.builders import ANN, NOON, held_job, image_job, stored
from tests.integration.ledger.balances import (
    all_entries,
    changes,
    output,
    with_outputs,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestResolve:
    def test_charges_all_delivered_outputs(self) -> None:
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
        assert ledger.balance(ANN) == Balance(available=80, spent=20, granted=100, jobs_total=1)
        assert changes(all_entries()[0]) == ("settle", {"held": -20, "spent": 20})

    def test_removes_the_time_since_which_the_job_waits(self) -> None:
        job = held_job()
        attempt = attempts.begin_attempt(job, "entry", lease_until=NOON, now=NOON)
        assert attempt
        assert attempts.abandon_attempt(job, attempt, now=NOON)

        assert ledger.resolve(ANN, job.job_id, now=NOON).waiting_since is None

    def test_refunds_all_credits_without_outputs(self) -> None:
        job = held_job(num_outputs=2)

        ended = ledger.resolve(ANN, job.job_id, reason=failure(FailureCode.REFUSED), now=NOON)

        assert (ended.status, ended.held, ended.charged, ended.refunded) == (
            JobStatus.FAILED,
            0,
            0,
            20,
        )
        assert ended.failure == failure(FailureCode.REFUSED)
        assert ledger.balance(ANN) == Balance(available=100, granted=100, jobs_total=1)
        assert changes(all_entries()[0]) == ("release", {"available": 20, "held": -20})

    @pytest.mark.parametrize(("delivered", "charged"), [(1, 10), (2, 20), (3, 30)])
    def test_charges_a_partial_delivery_for_each_output(self, delivered: int, charged: int) -> None:
        job = with_outputs(held_job(num_outputs=4), delivered)

        ended = ledger.resolve(
            ANN, job.job_id, reason=failure(FailureCode.OUTPUT_UNAVAILABLE), now=NOON
        )

        assert (ended.status, ended.charged, ended.refunded) == (
            JobStatus.COMPLETED,
            charged,
            40 - charged,
        )
        assert ledger.balance(ANN) == Balance(
            available=100 - charged, spent=charged, granted=100, jobs_total=1
        )
        assert changes(all_entries()[0]) == (
            "settle",
            {"available": 40 - charged, "held": -40, "spent": charged},
        )

    def test_a_partial_delivery_is_completed_without_a_failure(self) -> None:
        job = with_outputs(held_job(num_outputs=2), 1)
        jobs.record_failure(job, failure(FailureCode.OUTPUT_UNAVAILABLE))

        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert (ended.status, ended.failure) == (JobStatus.COMPLETED, None)

    def test_prefers_the_failure_on_the_job_to_the_reason(self) -> None:
        job = held_job()
        jobs.record_failure(job, failure(FailureCode.REFUSED))

        assert ledger.resolve(
            ANN, job.job_id, reason=failure(FailureCode.INTERNAL), now=NOON
        ).failure == failure(FailureCode.REFUSED)

    def test_a_job_with_a_cancel_request_ends_as_canceled(self) -> None:
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
    def test_a_second_resolution_returns_the_first_and_changes_nothing(
        self, delivered: int
    ) -> None:
        job = with_outputs(held_job(), delivered)
        first = ledger.resolve(ANN, job.job_id, now=NOON)
        before, entries = ledger.balance(ANN), all_entries()

        second = ledger.resolve(
            ANN, job.job_id, reason=failure(FailureCode.REFUSED), now=NOON + timedelta(hours=1)
        )

        assert second == first
        assert ledger.balance(ANN) == before
        assert all_entries() == entries

    def test_a_final_job_accepts_no_more_outputs(self) -> None:
        job = held_job()
        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert not jobs.record_output(ended, output(0))
        assert stored(job) == ended

    def test_includes_an_output_recorded_between_its_read_and_its_write(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        read, outputs = jobs.read, [output(0)]

        def read_before_a_write(account: AccountId, job_id: str) -> Job:
            read_job = read(account, job_id)
            while outputs:
                assert jobs.record_output(read_job, outputs.pop())
            return read_job

        monkeypatch.setattr(jobs, "read", read_before_a_write)
        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert (ended.status, ended.charged, len(ended.outputs)) == (JobStatus.COMPLETED, 10, 1)
        assert ledger.balance(ANN) == Balance(available=90, spent=10, granted=100, jobs_total=1)

    def test_refuses_to_release_credits_that_are_not_held(self) -> None:
        job = held_job()
        AccountRow("ACCOUNT#web#ann").update([AccountRow.held.set(9)])

        with pytest.raises(Refused):
            ledger.resolve(ANN, job.job_id, now=NOON)

        assert ledger.balance(ANN) == Balance(
            available=90, held=9, granted=100, in_flight=1, jobs_total=1
        )
        assert (stored(job).status, len(all_entries())) == (JobStatus.PENDING, 2)

    def test_removes_the_task_token(self) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)

        assert ledger.resolve(ANN, job.job_id, now=NOON).task_token is None

    def test_an_unknown_job_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            ledger.resolve(ANN, image_job().job_id, now=NOON)
