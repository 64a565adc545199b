"""Reads and lists jobs, and records what is learned about them.

Each `record_*` is one conditional write: a late caller changes nothing. It returns whether the write was done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed, NotFound
from darkroom.domain.failures import Failure
from darkroom.domain.ids import is_id
from darkroom.domain.jobs import ATTEMPTS_MAX, OPEN_STATUSES, Attempt, Job, JobStatus, Output
from darkroom.domain.references import new_nonce
from darkroom.settings import settings
from darkroom.storage.job_rows import (
    DELETED_PREFIX,
    JOB_PREFIX,
    CheckQueue,
    JobRow,
    account_of,
    attempt_map,
    key_of,
    output_map,
    partition,
    to_job,
)
from darkroom.storage.pagination import Page, read_page
from darkroom.storage.transactions import update

IS_OPEN: Condition = JobRow.status.is_in(*(status.value for status in OPEN_STATUSES))
IN_OPEN_QUEUE: Condition = JobRow.check_queue == CheckQueue.OPEN
_IN_ENDED_QUEUE: Condition = JobRow.check_queue == CheckQueue.ENDED
MAY_BE_DELETED: Condition = JobRow.status.exists() & ~IN_OPEN_QUEUE & ~IS_OPEN


@dataclass(frozen=True, slots=True)
class DueCheck:
    """What recovery should check: a job, or the mark that a deleted job has left."""

    account: AccountId
    job_id: str
    is_deleted: bool


def read(account: AccountId, job_id: str) -> Job:
    """Read a job as it is now. Raises NotFound, also for a job of another account."""
    if not is_id(job_id):
        raise NotFound("job")
    try:
        return to_job(JobRow.get(partition(account), JOB_PREFIX + job_id, consistent_read=True))
    except JobRow.DoesNotExist:
        raise NotFound("job") from None


def page(
    account: AccountId, *, limit: int, cursor: str | None, status: JobStatus | None
) -> Page[Job]:
    """List the jobs of an account, newest first. A page filtered by a status may be short."""
    only = JobRow.status == status.value if status else None
    return read_page(
        JobRow, partition(account), JOB_PREFIX, to_job, limit=limit, cursor=cursor, only=only
    )


def store_task_token(
    job: Job, token: str, state_entry: str, *, next_check_at: datetime
) -> Job | None:
    """Store the task token of this state entry. Returns the job as it is then, or None if a later entry has stored its token.

    A cancel requested before shows in the returned job. A cancel requested later finds the token.
    """
    return _update_returning(
        job,
        [
            JobRow.task_token.set(token),
            JobRow.state_entry.set(state_entry),
            JobRow.next_check_at.set(next_check_at),
        ],
        IS_OPEN & (JobRow.state_entry.does_not_exist() | (JobRow.state_entry <= state_entry)),
    )


def request_cancel(job: Job, *, next_check_at: datetime, now: datetime) -> Job | None:
    """Request that the workflow ends an open job. Returns the job as it is then, or None if it is final.

    Recovery checks the job at `next_check_at`, in case the workflow was not resumed.
    """
    actions: list[Action] = [
        JobRow.cancel_requested_at.set(now),
        JobRow.next_check_at.set(next_check_at),
    ]
    # A repeated request must not delay the check, or a user who repeats it would keep the job open.
    if requested := _update_returning(
        job, actions, IS_OPEN & JobRow.cancel_requested_at.does_not_exist()
    ):
        return requested
    known = read(job.account, job.job_id)
    return None if known.status.is_final else known


def begin_attempt(
    job: Job, state_entry: str, *, lease_until: datetime, now: datetime
) -> Attempt | None:
    """Record the next attempt before the provider is called. Returns None if another invocation recorded it, or ATTEMPTS_MAX is reached."""
    if len(job.attempts) >= ATTEMPTS_MAX:
        return None
    attempt = Attempt(
        number=len(job.attempts) + 1,
        nonce=new_nonce(),
        state_entry=state_entry,
        requested_at=now,
        lease_until=lease_until,
    )
    added = JobRow.attempts.set(JobRow.attempts.append([attempt_map(attempt)]))
    return (
        attempt
        if _update(job, [added], IS_OPEN & (size(JobRow.attempts) == len(job.attempts)))
        else None
    )


def retry_attempt(
    job: Job, attempt: Attempt, state_entry: str, *, lease_until: datetime, now: datetime
) -> Attempt | None:
    """Repeat an attempt that has no prediction, once its lease is over. Returns None if another invocation repeated it.

    The nonce stays, so a webhook of the earlier request is still recognized.
    """
    row = _attempt_row(attempt)
    renewed = replace(
        attempt,
        state_entry=state_entry,
        requested_at=now,
        lease_until=lease_until,
        requests_count=attempt.requests_count + 1,
        abandoned=False,
    )
    taken = _update(
        job,
        [
            row.state_entry.set(state_entry),
            row.requested_at.set(now),
            row.lease_until.set(lease_until),
            row.requests_count.set(renewed.requests_count),
            row.abandoned.set(False),
        ],
        IS_OPEN
        & (row.requests_count == attempt.requests_count)
        & (row.lease_until <= now)
        & row.prediction_id.does_not_exist(),
    )
    return renewed if taken else None


def abandon_attempt(job: Job, attempt: Attempt, *, now: datetime) -> bool:
    """Record that the provider created nothing for this attempt, so the request may be repeated. The job waits from now on."""
    row = _attempt_row(attempt)
    return _update(
        job,
        [
            row.abandoned.set(True),
            row.lease_until.set(now),
            JobRow.waiting_since.set(JobRow.waiting_since | now),
        ],
        IS_OPEN
        & (row.requests_count == attempt.requests_count)
        & row.prediction_id.does_not_exist(),
    )


def expire_lease(job: Job, attempt: Attempt, *, until: datetime, now: datetime) -> bool:
    """Record that the request got no answer: after `until` another invocation may repeat it. The job waits from now on."""
    row = _attempt_row(attempt)
    return _update(
        job,
        [row.lease_until.set(until), JobRow.waiting_since.set(JobRow.waiting_since | now)],
        IS_OPEN
        & (row.requests_count == attempt.requests_count)
        & row.prediction_id.does_not_exist(),
    )


def record_waiting(job: Job, *, now: datetime) -> bool:
    """Record that the job waits for a slot, from now unless it already waits."""
    return _update(job, [JobRow.waiting_since.set(JobRow.waiting_since | now)], IS_OPEN)


def record_prediction(job: Job, attempt: Attempt, prediction_id: str, *, now: datetime) -> bool:
    """Record the id of the attempt's prediction, once. The job is processing from then on."""
    row = _attempt_row(attempt)
    return _update(
        job,
        [
            row.prediction_id.set(prediction_id),
            JobRow.status.set(JobStatus.PROCESSING.value),
            JobRow.started_at.set(JobRow.started_at | now),
            JobRow.waiting_since.remove(),
        ],
        IS_OPEN & (row.nonce == attempt.nonce) & row.prediction_id.does_not_exist(),
    )


def record_finished(job: Job, attempt: Attempt, *, now: datetime) -> bool:
    """Record when the attempt's prediction was first known to be finished."""
    row = _attempt_row(attempt)
    return _update(
        job,
        [row.finished_at.set(now)],
        IS_OPEN & (row.nonce == attempt.nonce) & row.finished_at.does_not_exist(),
    )


def record_storing(job: Job, *, now: datetime) -> bool:
    """Record that storing began, unless it did before or a cancel was requested. After this the job cannot be canceled."""
    return _update(
        job,
        [JobRow.storing_at.set(now)],
        IS_OPEN & JobRow.storing_at.does_not_exist() & JobRow.cancel_requested_at.does_not_exist(),
    )


def record_output(job: Job, output: Output) -> bool:
    """Record one more stored output, if `job` has all the earlier ones."""
    added = JobRow.outputs.set(JobRow.outputs.append([output_map(output)]))
    return _update(job, [added], IS_OPEN & (size(JobRow.outputs) == len(job.outputs)))


def record_failure(job: Job, failure: Failure) -> bool:
    """Record why the job failed. The first reason stays."""
    return _update(
        job,
        [JobRow.failure_code.set(failure.code.value), JobRow.failure_message.set(failure.message)],
        IS_OPEN & JobRow.failure_code.does_not_exist(),
    )


@contextmanager
def recording_failures(job: Job) -> Iterator[None]:
    """Record the reason of a GenerationFailed on the job, and raise the error again."""
    try:
        yield
    except GenerationFailed as error:
        record_failure(job, error.failure)
        raise


def schedule_check(account: AccountId, job_id: str, at: datetime) -> bool:
    """Set when recovery checks this open job next. Users do not see this."""
    return update(key_of(account, job_id), [JobRow.next_check_at.set(at)], IN_OPEN_QUEUE)


def leave_open_jobs(job: Job) -> bool:
    """Move a final, announced job out of the open queue. It is retained for `retention_days`, or forever when that is 0.

    Users do not see this.
    """
    return update(key_of(job.account, job.job_id), _retention(job), IN_OPEN_QUEUE & ~IS_OPEN)


def renew_retention(job: Job) -> bool:
    """Set the retention of a job from the current `retention_days`."""
    return update(key_of(job.account, job.job_id), _retention(job), _IN_ENDED_QUEUE)


def schedule_expiry_check(account: AccountId, job_id: str, at: datetime) -> bool:
    """Set when recovery checks this retained job next."""
    return update(key_of(account, job_id), [JobRow.next_check_at.set(at)], _IN_ENDED_QUEUE)


def due_checks(queue: CheckQueue, *, now: datetime, limit: int) -> Iterator[DueCheck]:
    """Yield up to `limit` due checks of a queue, the most overdue first. This is one query."""
    for row in JobRow.next_check.query(
        queue, JobRow.next_check_at <= now, limit=limit, page_size=limit
    ):
        prefix, _, job_id = row.sk.partition("#")
        yield DueCheck(account_of(row.pk), job_id, is_deleted=f"{prefix}#" == DELETED_PREFIX)


def _retention(job: Job) -> list[Action]:
    retain_until = job.retain_until(retention_days=settings().retention_days)
    if retain_until is None:
        return [JobRow.check_queue.remove(), JobRow.next_check_at.remove()]
    return [JobRow.check_queue.set(CheckQueue.ENDED), JobRow.next_check_at.set(retain_until)]


def _attempt_row(attempt: Attempt) -> Any:  # noqa: ANN401 (PynamoDB gives paths the types of their values)
    return JobRow.attempts[attempt.number - 1]


def _update(job: Job, actions: list[Action], condition: Condition) -> bool:
    return _update_returning(job, actions, condition) is not None


def _update_returning(job: Job, actions: list[Action], condition: Condition) -> Job | None:
    row = key_of(job.account, job.job_id)
    return to_job(row) if update(row, [*actions, JobRow.revision.add(1)], condition) else None
