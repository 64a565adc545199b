"""Resolve: a hold is settled or released once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import (
    NotFound,
)
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import jobs, ledger
from darkroom.storage.job_rows import JobRow
from darkroom.storage.table import AccountRow
from darkroom.storage.transactions import Refused
from tests.builders import ANN, NOON, held_job, image_job, stored
from tests.integration.ledger.balances import (
    all_entries,
    changes,
    counters,
    output,
    with_outputs,
)

pytestmark = pytest.mark.usefixtures("aws")


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
