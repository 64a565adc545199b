"""The record of a job: each write applies once. Late and outdated writes change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed, NotFound
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import ATTEMPTS_MAX, Attempt, Job, JobStatus, Output, state_entry_name
from darkroom.storage import attempts, checks, job_lists, jobs, ledger
from darkroom.storage.checks import DueCheck
from darkroom.storage.job_lists import JobFilter
from darkroom.storage.job_rows import CheckQueue
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored

pytestmark = pytest.mark.usefixtures("aws")

LATER = NOON + timedelta(seconds=35)
OUTPUT = Output(
    number=0,
    key="media/k",
    content_type="image/png",
    bytes=1,
    width=2,
    height=3,
    seconds=1.5,
    thumbnail_key="t",
    placeholder="data:",
)


def begin_attempt(job: Job, *, lease_until: datetime = LATER) -> Attempt:
    attempt = attempts.begin_attempt(job, "entry", lease_until=lease_until, now=NOON)
    assert attempt
    return attempt


class TestRecord:
    def test_reads_a_job_as_it_was_written(self) -> None:
        open_account(100)
        job = replace(
            image_job(prompt="灯塔 🏮", num_outputs=2, now=NOON),
            callback_url="https://example.com/",
            metadata={"a": "é"},
        )

        held, _ = ledger.hold(job, key=None, now=NOON)

        assert stored(job) == held == replace(job, held=20)

    def test_keeps_attempts_outputs_and_times(self) -> None:
        job = held_job()
        attempt = begin_attempt(job)
        attempts.record_prediction(job, attempt, "p1", now=NOON)
        jobs.record_output(job, OUTPUT)
        jobs.record_storing(job, now=NOON)

        now = stored(job)

        assert now.attempts == (replace(attempt, prediction_id="p1"),)
        assert now.outputs == (OUTPUT,)
        assert (now.storing_at, now.started_at, now.status) == (NOON, NOON, JobStatus.PROCESSING)

    def test_a_job_of_another_account_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            jobs.read(AccountId("web", "bob"), held_job().job_id)


JOB_WRITES: dict[str, Callable[[Job], object]] = {
    "store_task_token": lambda job: jobs.store_task_token(
        job, "token", "9999", next_check_at=LATER
    ),
    "begin_attempt": lambda job: attempts.begin_attempt(job, "entry", lease_until=LATER, now=NOON),
    "record_storing": lambda job: jobs.record_storing(job, now=NOON),
    "record_output": lambda job: jobs.record_output(job, OUTPUT),
    "record_failure": lambda job: jobs.record_failure(job, failure(FailureCode.REFUSED)),
}
ATTEMPT_WRITES: dict[str, Callable[[Job, Attempt], object]] = {
    "retry_attempt": lambda job, attempt: attempts.retry_attempt(
        job, attempt, "entry 2", lease_until=LATER, now=LATER
    ),
    "abandon_attempt": lambda job, attempt: attempts.abandon_attempt(job, attempt, now=NOON),
    "expire_lease": lambda job, attempt: attempts.expire_lease(job, attempt, until=NOON, now=NOON),
    "record_prediction": lambda job, attempt: attempts.record_prediction(
        job, attempt, "p1", now=NOON
    ),
    "record_finished": lambda job, attempt: attempts.record_finished(job, attempt, now=NOON),
}


class TestWrites:
    @pytest.mark.parametrize("write", JOB_WRITES.values(), ids=JOB_WRITES)
    def test_a_write_changes_an_open_job_and_increases_its_revision(
        self, write: Callable[[Job], object]
    ) -> None:
        job = held_job()

        assert write(job)
        assert stored(job).revision == job.revision + 1

    @pytest.mark.parametrize("write", JOB_WRITES.values(), ids=JOB_WRITES)
    def test_a_write_is_refused_once_the_job_is_final(self, write: Callable[[Job], object]) -> None:
        ended = ledger.resolve(ANN, held_job().job_id, now=NOON)

        assert not write(ended)
        assert stored(ended) == ended

    @pytest.mark.parametrize(
        "name", ["begin_attempt", "record_storing", "record_output", "record_failure"]
    )
    def test_a_repeated_write_changes_nothing(self, name: str) -> None:
        job = held_job()
        JOB_WRITES[name](job)
        before = stored(job)

        assert not JOB_WRITES[name](job)
        assert stored(job) == before

    @pytest.mark.parametrize("write", ATTEMPT_WRITES.values(), ids=ATTEMPT_WRITES)
    def test_a_write_of_an_attempt_changes_an_open_job(
        self, write: Callable[[Job, Attempt], object]
    ) -> None:
        job = held_job()

        assert write(job, begin_attempt(job))
        assert stored(job).revision == job.revision + 2

    @pytest.mark.parametrize("write", ATTEMPT_WRITES.values(), ids=ATTEMPT_WRITES)
    def test_a_write_of_an_attempt_is_refused_once_the_job_is_final(
        self, write: Callable[[Job, Attempt], object]
    ) -> None:
        job = held_job()
        attempt = begin_attempt(job)
        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert not write(ended, attempt)
        assert stored(job) == ended

    @pytest.mark.parametrize("name", ["retry_attempt", "record_prediction", "record_finished"])
    def test_a_repeated_write_of_an_attempt_changes_nothing(self, name: str) -> None:
        job = held_job()
        attempt = begin_attempt(job)
        ATTEMPT_WRITES[name](job, attempt)
        before = stored(job)

        assert not ATTEMPT_WRITES[name](job, attempt)
        assert stored(job) == before


class TestTaskToken:
    def test_only_the_token_of_a_later_state_entry_replaces_a_token(
        self,
    ) -> None:
        job = held_job()
        entries = [
            state_entry_name(NOON, 0),
            state_entry_name(NOON, 1),
            state_entry_name(NOON + timedelta(milliseconds=1), 0),
            state_entry_name(NOON + timedelta(days=1), 0),
        ]

        for state_entry in entries:
            assert jobs.store_task_token(job, state_entry, state_entry, next_check_at=LATER)
        for state_entry in entries[:-1]:
            assert not jobs.store_task_token(job, "old", state_entry, next_check_at=LATER)

        assert (stored(job).task_token, stored(job).state_entry) == (entries[-1], entries[-1])

    def test_the_token_of_the_same_state_entry_can_be_stored_again(self) -> None:
        job = held_job()

        assert jobs.store_task_token(job, "token", "entry", next_check_at=LATER)
        assert jobs.store_task_token(job, "token", "entry", next_check_at=LATER)


class TestAttempt:
    def test_each_attempt_has_a_unique_nonce(self) -> None:
        first, second = held_job(), image_job()
        ledger.hold(second, key=None, now=NOON)

        assert begin_attempt(first).nonce != begin_attempt(second).nonce

    def test_no_attempt_begins_after_the_last_one(self) -> None:
        job = held_job()
        for _ in range(ATTEMPTS_MAX):
            begin_attempt(job)
            job = stored(job)

        assert attempts.begin_attempt(job, "entry", lease_until=LATER, now=NOON) is None
        assert len(stored(job).attempts) == ATTEMPTS_MAX

    def test_an_attempt_is_retried_only_after_its_lease(self) -> None:
        job = held_job()
        attempt = begin_attempt(job, lease_until=LATER)

        assert not attempts.retry_attempt(
            job, attempt, "entry 2", lease_until=LATER, now=LATER - timedelta(microseconds=1)
        )
        retried = attempts.retry_attempt(
            job, attempt, "entry 2", lease_until=LATER + timedelta(seconds=35), now=LATER
        )

        assert retried
        assert (retried.nonce, retried.requests_count, retried.state_entry, retried.number) == (
            attempt.nonce,
            2,
            "entry 2",
            1,
        )
        assert stored(job).attempts == (retried,)

    def test_an_attempt_with_a_prediction_is_not_retried(self) -> None:
        job = held_job()
        attempt = begin_attempt(job)
        attempts.record_prediction(job, attempt, "p1", now=NOON)

        assert not attempts.retry_attempt(job, attempt, "entry 2", lease_until=LATER, now=LATER)

    def test_an_outdated_invocation_cannot_abandon_or_expire_the_newer_lease(
        self,
    ) -> None:
        job = held_job()
        attempt = begin_attempt(job)
        attempts.retry_attempt(
            job, attempt, "entry 2", lease_until=LATER + timedelta(seconds=35), now=LATER
        )
        before = stored(job)

        assert not attempts.abandon_attempt(job, attempt, now=LATER)
        assert not attempts.expire_lease(job, attempt, until=LATER, now=LATER)
        assert stored(job) == before

    def test_an_abandoned_attempt_can_be_retried_at_once(self) -> None:
        job = held_job()
        attempt = begin_attempt(job)
        attempts.abandon_attempt(job, attempt, now=NOON)
        assert stored(job).waiting_since == NOON
        assert stored(job).attempts[0].abandoned

        retried = attempts.retry_attempt(job, attempt, "entry 2", lease_until=LATER, now=NOON)

        assert retried
        assert not retried.abandoned
        assert stored(job).attempts == (retried,)

    def test_keeps_the_time_of_the_first_refusal(self) -> None:
        job = held_job()
        attempt = begin_attempt(job)
        attempts.abandon_attempt(job, attempt, now=NOON)
        retried = attempts.retry_attempt(job, attempt, "entry 2", lease_until=LATER, now=NOON)
        assert retried

        attempts.abandon_attempt(job, retried, now=LATER)

        assert stored(job).waiting_since == NOON

    def test_an_attempt_has_only_one_prediction(self) -> None:
        job = held_job()
        attempt = begin_attempt(job)

        assert attempts.record_prediction(job, attempt, "p1", now=NOON)
        assert not attempts.record_prediction(job, attempt, "p2", now=LATER)
        assert stored(job).attempts[0].prediction_id == "p1"

    def test_an_attempt_with_another_nonce_changes_nothing(self) -> None:
        job = held_job()
        attempt = replace(begin_attempt(job), nonce="0" * 32)

        assert not attempts.record_prediction(job, attempt, "p1", now=NOON)
        assert not attempts.record_finished(job, attempt, now=NOON)


class TestFailure:
    def test_keeps_the_first_reason(self) -> None:
        job = held_job()
        jobs.record_failure(job, failure(FailureCode.INVALID_INPUT, "its own words"))
        jobs.record_failure(job, failure(FailureCode.INTERNAL))

        assert stored(job).failure == failure(FailureCode.INVALID_INPUT, "its own words")

    def test_records_a_failure_before_the_error_leaves_the_step(self) -> None:
        job = held_job()

        with pytest.raises(GenerationFailed), jobs.recording_failures(job):
            raise GenerationFailed(failure(FailureCode.NO_OUTPUT))
        assert stored(job).failure == failure(FailureCode.NO_OUTPUT)

    def test_other_errors_record_no_failure(self) -> None:
        job = held_job()

        with pytest.raises(KeyError), jobs.recording_failures(job):
            raise KeyError
        assert stored(job).failure is None


class TestOutputs:
    def test_records_outputs_one_after_another(self) -> None:
        job = held_job()
        second = replace(OUTPUT, number=1)

        assert jobs.record_output(job, OUTPUT)
        assert not jobs.record_output(job, second), "this job was read before the first output"
        assert jobs.record_output(stored(job), second)
        assert stored(job).outputs == (OUTPUT, second)


class TestOpenJobs:
    def due(self, now: datetime, limit: int = 100) -> list[str]:
        return [due.job_id for due in checks.due_checks(CheckQueue.OPEN, now=now, limit=limit)]

    def test_an_open_job_is_due_at_its_next_check(self) -> None:
        job = held_job(now=NOON)

        assert self.due(NOON + timedelta(seconds=29)) == []
        (due,) = checks.due_checks(CheckQueue.OPEN, now=NOON + timedelta(seconds=30), limit=100)
        assert due == DueCheck(ANN, job.job_id, is_deleted=False)
        checks.schedule_check(job.account, job.job_id, NOON + timedelta(hours=1))
        assert self.due(NOON + timedelta(minutes=59)) == []
        assert self.due(NOON + timedelta(hours=1)) == [job.job_id]

    def test_a_new_state_entry_postpones_the_next_check(self) -> None:
        job = held_job(now=NOON)

        jobs.store_task_token(job, "token", "entry", next_check_at=NOON + timedelta(minutes=10))

        assert self.due(NOON + timedelta(minutes=9)) == []

    def test_lists_each_due_job_once_up_to_the_limit(self, subtests: pytest.Subtests) -> None:
        open_account(1_000)
        for _ in range(12):
            ledger.hold(image_job(now=NOON), key=None, now=NOON)

        for limit in (1, 2, 3, 5, 40):
            with subtests.test(limit=limit):
                job_ids = self.due(NOON + timedelta(days=1), limit)

                assert len(job_ids) == len(set(job_ids)) == min(limit, 12)

    def test_a_job_leaves_the_open_jobs_only_once_it_is_final(self) -> None:
        job = held_job(now=NOON)
        assert not jobs.leave_open_jobs(job)
        assert self.due(NOON + timedelta(days=1)) == [job.job_id]
        ended = ledger.resolve(ANN, job.job_id, now=NOON)
        assert self.due(NOON + timedelta(days=1)) == [job.job_id], "final is not yet announced"

        assert jobs.leave_open_jobs(ended)

        assert self.due(NOON + timedelta(days=1)) == []
        assert not jobs.leave_open_jobs(ended)

    def test_a_job_that_left_the_open_jobs_is_not_checked_again(self) -> None:
        ended = ledger.resolve(ANN, held_job(now=NOON).job_id, now=NOON)
        jobs.leave_open_jobs(ended)

        assert not checks.schedule_check(ended.account, ended.job_id, NOON)
        assert self.due(NOON + timedelta(days=1)) == []


class TestPages:
    def held(self) -> str:
        return ledger.hold(image_job(), key=None, now=NOON)[0].job_id

    def test_pages_list_each_job_once_despite_writes_between_pages(self) -> None:
        open_account(1_000)
        ids = [self.held() for _ in range(5)]
        first = job_lists.page(ANN, limit=2, cursor=None)
        self.held()
        ledger.resolve(ANN, ids[2], now=NOON)

        second = job_lists.page(ANN, limit=2, cursor=first.next_cursor)
        third = job_lists.page(ANN, limit=2, cursor=second.next_cursor)

        assert [job.job_id for page in (first, second, third) for job in page.items] == ids[::-1]
        assert third.next_cursor is None

    def test_pages_of_one_status_list_all_jobs_of_that_status(self) -> None:
        open_account(1_000)
        ids = [self.held() for _ in range(6)]
        for job_id in ids[::3]:
            ledger.resolve(ANN, job_id, now=NOON)

        found: list[str] = []
        cursor: str | None = None
        while True:
            page = job_lists.page(
                ANN, limit=1, cursor=cursor, only=JobFilter(statuses=(JobStatus.FAILED,))
            )
            assert len(page.items) <= 1
            found += [job.job_id for job in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break

        assert found == ids[::3][::-1]
