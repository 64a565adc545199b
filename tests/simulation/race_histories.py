"""The lives of jobs, verb by verb: what callers, the workflow and recovery do with them, and what it must come to."""

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
from darkroom.storage import checks, jobs, ledger, provider_queue
from darkroom.storage.idempotency import IdempotencyKey
from darkroom.storage.job_rows import CheckQueue
from darkroom.storage.table import RequestRow, SlotRow
from tests.builders import NOON, image_job, stored
from tests.simulation.race_ledger import checked_records
from tests.simulation.race_storm import Storm

WELCOME_CREDITS = 25
_LATER = NOON + timedelta(days=1)


@dataclass
class Expected:
    """What an account must come to."""

    granted: int = 0
    spent: int = 0
    keys_count: int = 0
    jobs: set[str] = field(default_factory=set)


class JobHistories:
    """Two users on two platforms, and their jobs. Every verb is called until it answers."""

    def __init__(self, storm: Storm, seed: str) -> None:
        """Give everybody credits: gifts, a correction, and the welcome, which comes once for each user."""
        self._surely = storm.surely
        self._luck = random.Random(seed)
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
                self._surely(
                    partial(
                        ledger.grant, account, amount, reason="test", reference=reference, now=NOON
                    )
                )
            self._surely(partial(ledger.welcome, account, now=NOON))
            expected.granted = 1_500 + (WELCOME_CREDITS if account.platform == "web" else 0)

    def live(self, number: int) -> None:
        """Live one life from its submission to its end, and now and then to its deletion."""
        job = self._submitted(self._luck.choice(list(self._expected)), f"key {number}")
        self._ask(job)
        canceled = self._luck.random() < 1 / 4
        if canceled:
            assert self._surely(lambda: jobs.request_cancel(job, next_check_at=NOON, now=NOON))
        outputs_count = 0 if canceled else self._luck.randint(0, job.model_input.outputs_count)
        self._store(job, outputs_count)
        self._end(
            job,
            JobStatus.COMPLETED
            if outputs_count
            else JobStatus.CANCELED
            if canceled
            else JobStatus.FAILED,
        )
        if self._luck.random() < 1 / 4:
            self._delete(job)

    def check(self) -> None:
        """Hold everything that there is against what must be."""
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
        assert list(SlotRow.query("SLOT#replicate", consistent_read=True)) == []
        assert [
            due for queue in CheckQueue for due in checks.due_checks(queue, now=_LATER, limit=1_000)
        ] == []

    def _submitted(self, account: AccountId, name: str) -> Job:
        """Submit a job, now and then twice, and then something else by the same key."""
        outputs_count = self._luck.randint(1, 4)

        def submit(body: bytes = b"body") -> tuple[Job, bool]:
            return ledger.hold(
                image_job(account=account, num_outputs=outputs_count),
                key=IdempotencyKey.of(name, body),
                now=datetime.now(UTC),
            )

        job, _ = self._surely(submit)
        self._expected[account].keys_count += 1
        self._expected[account].jobs.add(job.job_id)
        if self._luck.random() < 1 / 4:
            again, repeated = self._surely(submit)
            assert (again.job_id, repeated) == (job.job_id, True)
            with pytest.raises(IdempotencyKeyReused):
                self._surely(lambda: submit(b"something else"))
        return job

    def _ask(self, job: Job) -> None:
        assert self._surely(lambda: provider_queue.acquire(stored(job), now=NOON))
        self._surely(lambda: jobs.store_task_token(job, "token", "entry", next_check_at=NOON))
        self._surely(lambda: jobs.begin_attempt(job, "entry", lease_until=NOON, now=NOON))
        (attempt,) = stored(job).attempts
        if self._luck.random() < 1 / 4:
            self._ask_again(job, attempt)
        self._surely(lambda: jobs.record_prediction(job, attempt, "prediction", now=NOON))
        assert not self._surely(lambda: jobs.record_prediction(job, attempt, "another", now=NOON))
        self._surely(lambda: jobs.record_finished(job, attempt, now=NOON))
        asked = stored(job)
        (attempt,) = asked.attempts
        assert (asked.status, asked.task_token) == (JobStatus.PROCESSING, "token")
        assert (attempt.prediction_id, attempt.finished_at) == ("prediction", NOON)

    def _ask_again(self, job: Job, attempt: Attempt) -> None:
        self._surely(lambda: jobs.abandon_attempt(job, attempt, now=NOON))
        self._surely(
            lambda: jobs.retry_attempt(job, attempt, "next entry", lease_until=NOON, now=NOON)
        )
        (renewed,) = stored(job).attempts
        assert (renewed.requests_count, renewed.abandoned) == (2, False)

    def _store(self, job: Job, outputs_count: int) -> None:
        self._surely(lambda: jobs.record_storing(job, now=NOON))
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
            self._surely(partial(jobs.record_output, stored(job), output))
        assert [known.number for known in stored(job).outputs] == list(range(outputs_count))

    def _end(self, job: Job, status: JobStatus) -> None:
        reason = self._luck.choice([None, failure(FailureCode.NO_OUTPUT)])
        ended = self._surely(
            lambda: ledger.resolve(job.account, job.job_id, reason=reason, now=NOON)
        )
        self._surely(lambda: jobs.leave_open_jobs(ended))
        assert (ended.status, ended.charged) == (status, 10 * len(ended.outputs))
        self._expected[job.account].spent += ended.charged

    def _delete(self, job: Job) -> None:
        # Whoever calls again may be told that it is gone.
        with suppress(NotFound):
            self._surely(lambda: delete_job.delete(job.account, job.job_id, now=NOON))
        self._surely(
            lambda: delete_job.purge_media(job.account, job.job_id, next_check_at=datetime.now(UTC))
        )
        self._expected[job.account].jobs.remove(job.job_id)
