"""Histories of jobs: the calls of users, the workflow and recovery, and their expected results."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import IdempotencyKeyReused, NotFound
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Attempt, Job, JobStatus, Output
from darkroom.services import delete_job
from darkroom.storage import (
    attempts,
    checks,
    grants,
    jobs,
    ledger,
    provider_queue,
    provider_slots,
)
from darkroom.storage.idempotency import IdempotencyKey
from darkroom.storage.job_rows import CheckQueue
from darkroom.storage.table import RequestRow
from tests.builders import NOON, image_job, stored
from tests.simulation.account_records import checked_records
from tests.simulation.write_faults import WriteFaults

WELCOME_CREDITS = 25
_LATER = NOON + timedelta(days=1)


@dataclass
class Expected:
    """The expected state of an account."""

    granted: int = 0
    spent: int = 0
    keys_count: int = 0
    jobs: set[str] = field(default_factory=set)


class JobHistories:
    """Two users on two platforms, and their jobs. Every operation is repeated until it succeeds."""

    def __init__(self, write_faults: WriteFaults, seed: str) -> None:
        """Grant each account credits: two grants, a correction and the welcome credits.

        Each user gets welcome credits once, on the first platform.
        """
        self._until_success = write_faults.until_success
        self._rng = random.Random(seed)
        self._expected = {
            AccountId(platform, user): Expected()
            for user in ("ann", "bob")
            for platform in ("web", "mobile")
        }
        for account, expected in self._expected.items():
            for reference, amount in {
                "gift": 1_000,
                "another gift": 1_000,
                "mistake": -500,
            }.items():
                self._until_success(
                    partial(
                        grants.grant, account, amount, reason="test", reference=reference, now=NOON
                    )
                )
            self._until_success(partial(grants.welcome, account, now=NOON))
            expected.granted = 1_500 + (WELCOME_CREDITS if account.platform == "web" else 0)

    def run_job(self, number: int) -> None:
        """Run one job from its submission to its end. Delete some of the jobs."""
        job = self._submit_job(self._rng.choice(list(self._expected)), f"key {number}")
        self._request_prediction(job)
        canceled = self._rng.random() < 1 / 4
        if canceled:
            assert self._until_success(
                lambda: jobs.request_cancel(job, next_check_at=NOON, now=NOON)
            )
        outputs_count = 0 if canceled else self._rng.randint(0, job.model_input.outputs_count)
        self._store(job, outputs_count)
        if outputs_count:
            self._end(job, JobStatus.COMPLETED)
        else:
            self._end(job, JobStatus.CANCELED if canceled else JobStatus.FAILED)
        if self._rng.random() < 1 / 4:
            self._delete(job)

    def check(self) -> None:
        """Compare all records with the expected state."""
        for account, expected in self._expected.items():
            records = checked_records(account)
            assert (records.account.granted, records.account.spent, records.account.held) == (
                expected.granted,
                expected.spent,
                0,
            )
            assert {job.job_id for job in records.jobs} == expected.jobs
            requests = list(
                RequestRow.query(
                    records.account.pk, RequestRow.sk.startswith("REQUEST#"), consistent_read=True
                )
            )
            assert (
                len(requests)
                == len({request.job_id for request in requests})
                == len(records.entries_of("hold"))
                == expected.keys_count
            )
        assert provider_slots.read_provider("replicate").slots == ()
        assert [
            due for queue in CheckQueue for due in checks.due_checks(queue, now=_LATER, limit=1_000)
        ] == []

    def _submit_job(self, account: AccountId, name: str) -> Job:
        """Submit a job. Some are submitted twice, then with another body under the same key."""
        outputs_count = self._rng.randint(1, 4)

        def submit(body: bytes = b"body") -> tuple[Job, bool]:
            return ledger.hold(
                image_job(account=account, num_outputs=outputs_count),
                key=IdempotencyKey.of(name, body),
                now=datetime.now(UTC),
            )

        job, _ = self._until_success(submit)
        self._expected[account].keys_count += 1
        self._expected[account].jobs.add(job.job_id)
        if self._rng.random() < 1 / 4:
            repeated_job, repeated = self._until_success(submit)
            assert (repeated_job.job_id, repeated) == (job.job_id, True)
            with pytest.raises(IdempotencyKeyReused):
                self._until_success(lambda: submit(b"something else"))
        return job

    def _request_prediction(self, job: Job) -> None:
        assert self._until_success(lambda: provider_queue.take(stored(job), now=NOON))
        self._until_success(
            lambda: jobs.store_task_token(job, "token", "entry", next_check_at=NOON)
        )
        self._until_success(
            lambda: attempts.begin_attempt(job, "entry", lease_until=NOON, now=NOON)
        )
        (attempt,) = stored(job).attempts
        if self._rng.random() < 1 / 4:
            self._retry_attempt(job, attempt)
        self._until_success(
            lambda: attempts.record_prediction(job, attempt, "prediction", now=NOON)
        )
        assert not self._until_success(
            lambda: attempts.record_prediction(job, attempt, "another", now=NOON)
        )
        self._until_success(lambda: attempts.record_finished(job, attempt, now=NOON))
        processing = stored(job)
        (attempt,) = processing.attempts
        assert (processing.status, processing.task_token) == (JobStatus.PROCESSING, "token")
        assert (attempt.prediction_id, attempt.finished_at) == ("prediction", NOON)

    def _retry_attempt(self, job: Job, attempt: Attempt) -> None:
        self._until_success(lambda: attempts.abandon_attempt(job, attempt, now=NOON))
        self._until_success(
            lambda: attempts.retry_attempt(job, attempt, "next entry", lease_until=NOON, now=NOON)
        )
        (retried,) = stored(job).attempts
        assert (retried.requests_count, retried.abandoned) == (2, False)

    def _store(self, job: Job, outputs_count: int) -> None:
        self._until_success(lambda: jobs.record_storing(job, now=NOON))
        assert (stored(job).storing_at is None) == stored(job).cancel_wins
        for number in range(outputs_count):
            output = Output(
                number=number,
                key=f"media/{number}.webp",
                content_type="image/webp",
                bytes=1,
                width=1,
                height=1,
            )
            self._until_success(partial(jobs.record_output, stored(job), output))
        assert [known.number for known in stored(job).outputs] == list(range(outputs_count))

    def _end(self, job: Job, status: JobStatus) -> None:
        reason = self._rng.choice([None, failure(FailureCode.NO_OUTPUT)])
        ended = self._until_success(
            lambda: ledger.resolve(job.account, job.job_id, reason=reason, now=NOON)
        )
        self._until_success(lambda: jobs.leave_open_jobs(ended))
        assert (ended.status, ended.charged) == (status, 10 * len(ended.outputs))
        self._expected[job.account].spent += ended.charged

    def _delete(self, job: Job) -> None:
        # A repeated call may find that the job is deleted.
        with suppress(NotFound):
            self._until_success(lambda: delete_job.delete(job.account, job.job_id, now=NOON))
        self._until_success(
            lambda: delete_job.purge_media(job.account, job.job_id, next_check_at=datetime.now(UTC))
        )
        self._expected[job.account].jobs.remove(job.job_id)
