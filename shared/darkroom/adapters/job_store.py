"""The record of a job: read it, list it, and write down what was found out.

Each note is one conditional write, so whoever comes late changes nothing. A note answers whether it was taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from darkroom.adapters.job_rows import JOB_PREFIX, Queue, account_of, attempt_map, key_of, output_map, partition, to_job
from darkroom.adapters.pages import Page, read_page
from darkroom.adapters.table import JobRow
from darkroom.adapters.transactions import update
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed, NotFound
from darkroom.domain.failures import Failure
from darkroom.domain.ids import is_id
from darkroom.domain.jobs import ATTEMPTS_MAX, OPEN_STATUSES, Attempt, Job, JobStatus, Output
from darkroom.domain.references import new_nonce
from darkroom.settings import settings

IS_OPEN: Condition = JobRow.status.is_in(*(status.value for status in OPEN_STATUSES))
IN_OPEN_JOBS: Condition = JobRow.open.startswith(Queue.OPEN)
_IN_KEPT_JOBS: Condition = JobRow.open.startswith(Queue.KEPT)
MAY_BE_DELETED: Condition = JobRow.status.exists() & ~IN_OPEN_JOBS & ~IS_OPEN


def read(account: AccountId, job_id: str) -> Job:
    """Read a job as it is now. Raises NotFound, also for somebody else's."""
    if not is_id(job_id):
        raise NotFound("job")
    try:
        return to_job(JobRow.get(partition(account), JOB_PREFIX + job_id, consistent_read=True))
    except JobRow.DoesNotExist:
        raise NotFound("job") from None


def page(account: AccountId, *, limit: int, cursor: str | None, status: JobStatus | None) -> Page[Job]:
    """List the jobs of an account, newest first. A page filtered by a status may be short."""
    only = JobRow.status == status.value if status else None
    return read_page(JobRow, partition(account), JOB_PREFIX, to_job, limit=limit, cursor=cursor, only=only)


def store_task_token(job: Job, token: str, state_entry: str, *, look_at: datetime) -> Job | None:
    """Keep the task token of this state entry, unless a later one has stored one already; gives the job as it is then, or None.

    A cancel that was asked for before stands in what this gives; one that comes later finds the token.
    """
    return _noted(
        job,
        [JobRow.task_token.set(token), JobRow.state_entry.set(state_entry), JobRow.look_at.set(look_at)],
        IS_OPEN & (JobRow.state_entry.does_not_exist() | (JobRow.state_entry <= state_entry)),
    )


def request_cancel(job: Job, *, look_at: datetime, now: datetime) -> Job | None:
    """Ask for the end of an open job, once; gives the job as it is then, or None when it is final. Only the workflow ends it.

    Recovery looks at it by then, should nobody have been resumed.
    """
    asking: list[Action] = [JobRow.cancel_requested_at.set(now), JobRow.look_at.set(look_at)]
    # A repeat must not put recovery off, or somebody who keeps asking would keep the job open.
    if asked := _noted(job, asking, IS_OPEN & JobRow.cancel_requested_at.does_not_exist()):
        return asked
    known = read(job.account, job.job_id)
    return None if known.status.is_final else known


def begin_attempt(job: Job, state_entry: str, *, lease_until: datetime, now: datetime) -> Attempt | None:
    """Write the next attempt down before it is made. Only one sandbox wins; for the others this is None, and for everybody when there were enough."""
    if len(job.attempts) >= ATTEMPTS_MAX:
        return None
    attempt = Attempt(number=len(job.attempts) + 1, nonce=new_nonce(), state_entry=state_entry, requested_at=now, lease_until=lease_until)
    added = JobRow.attempts.set(JobRow.attempts.append([attempt_map(attempt)]))
    return attempt if _note(job, [added], IS_OPEN & (size(JobRow.attempts) == len(job.attempts))) else None


def retry_attempt(job: Job, attempt: Attempt, state_entry: str, *, lease_until: datetime, now: datetime) -> Attempt | None:
    """Take an attempt up again that led to no prediction, once its lease is over. Only one sandbox wins; for the others this is None.

    The nonce stays, so that whatever the earlier asking may still bring is known for what it is.
    """
    row = _attempt_row(attempt)
    renewed = replace(attempt, state_entry=state_entry, requested_at=now, lease_until=lease_until, requests_count=attempt.requests_count + 1, abandoned=False)
    taken = _note(
        job,
        [
            row.state_entry.set(state_entry),
            row.requested_at.set(now),
            row.lease_until.set(lease_until),
            row.requests_count.set(renewed.requests_count),
            row.abandoned.set(False),
        ],
        IS_OPEN & (row.requests_count == attempt.requests_count) & (row.lease_until <= now) & row.prediction_id.does_not_exist(),
    )
    return renewed if taken else None


def abandon_attempt(job: Job, attempt: Attempt, *, now: datetime) -> bool:
    """Note that the provider surely created nothing for this attempt, so that it may be asked again. The job is waiting since now."""
    row = _attempt_row(attempt)
    return _note(
        job,
        [row.abandoned.set(True), row.lease_until.set(now), JobRow.waiting_since.set(JobRow.waiting_since | now)],
        IS_OPEN & (row.requests_count == attempt.requests_count) & row.prediction_id.does_not_exist(),
    )


def expire_lease(job: Job, attempt: Attempt, *, until: datetime, now: datetime) -> bool:
    """Note that whoever asked has given up without an answer, so that after this time others may ask again. The job is waiting since now."""
    row = _attempt_row(attempt)
    return _note(
        job,
        [row.lease_until.set(until), JobRow.waiting_since.set(JobRow.waiting_since | now)],
        IS_OPEN & (row.requests_count == attempt.requests_count) & row.prediction_id.does_not_exist(),
    )


def note_waiting(job: Job, *, now: datetime) -> bool:
    """Note that the job waits for its turn, since now unless it did before."""
    return _note(job, [JobRow.waiting_since.set(JobRow.waiting_since | now)], IS_OPEN)


def note_prediction(job: Job, attempt: Attempt, prediction_id: str, *, now: datetime) -> bool:
    """Note the id of the attempt's prediction: once, by whoever learns it first. The job is processing from then on."""
    row = _attempt_row(attempt)
    return _note(
        job,
        [
            row.prediction_id.set(prediction_id),
            JobRow.status.set(JobStatus.PROCESSING.value),
            JobRow.started_at.set(JobRow.started_at | now),
            JobRow.waiting_since.remove(),
        ],
        IS_OPEN & (row.nonce == attempt.nonce) & row.prediction_id.does_not_exist(),
    )


def note_finished(job: Job, attempt: Attempt, *, now: datetime) -> bool:
    """Note when the attempt's prediction was first known to be finished."""
    row = _attempt_row(attempt)
    return _note(job, [row.finished_at.set(now)], IS_OPEN & (row.nonce == attempt.nonce) & row.finished_at.does_not_exist())


def note_storing(job: Job, *, now: datetime) -> bool:
    """Note that storing began, unless it did before or a cancel was asked for before. From then on a cancel comes too late."""
    return _note(job, [JobRow.storing_at.set(now)], IS_OPEN & JobRow.storing_at.does_not_exist() & JobRow.cancel_requested_at.does_not_exist())


def note_output(job: Job, output: Output) -> bool:
    """Note one more stored output, if it is the next one after those that the caller knows of."""
    added = JobRow.outputs.set(JobRow.outputs.append([output_map(output)]))
    return _note(job, [added], IS_OPEN & (size(JobRow.outputs) == len(job.outputs)))


def note_failure(job: Job, failure: Failure) -> bool:
    """Note why the job cannot be delivered; the first reason stays."""
    return _note(
        job,
        [JobRow.failure_code.set(failure.code.value), JobRow.failure_message.set(failure.message)],
        IS_OPEN & JobRow.failure_code.does_not_exist(),
    )


@contextmanager
def failures_noted(job: Job) -> Iterator[None]:
    """Put the reason of a GenerationFailed on the job before the error leaves the step."""
    try:
        yield
    except GenerationFailed as error:
        note_failure(job, error.failure)
        raise


def look_again(account: AccountId, job_id: str, at: datetime) -> bool:
    """Have recovery look at this job again at this time, and not before. It changes nothing that a user sees."""
    return update(key_of(account, job_id), [JobRow.look_at.set(at)], IN_OPEN_JOBS)


def leave_open_jobs(job: Job) -> bool:
    """Take a job that is final and announced out of the open ones, and keep it for the days of retention, for ever when there are none.

    It changes nothing that a user sees.
    """
    return update(key_of(job.account, job.job_id), _kept(job), IN_OPEN_JOBS & ~IS_OPEN)


def keep_on(job: Job) -> bool:
    """Keep a kept job as long as the retention of today has it."""
    return update(key_of(job.account, job.job_id), _kept(job), _IN_KEPT_JOBS)


def look_at_kept_again(account: AccountId, job_id: str, at: datetime) -> bool:
    """Have recovery look at this kept job again at this time, and not before."""
    return update(key_of(account, job_id), [JobRow.look_at.set(at)], _IN_KEPT_JOBS)


def due(*, now: datetime, limit: int, queue: Queue = Queue.OPEN) -> Iterator[tuple[AccountId, str]]:
    """Name the jobs of a queue that recovery should look at by now, the most overdue of each partition first, at most `limit` in all."""
    for number, hash_key in enumerate(queue.partitions):
        share = limit // len(queue.partitions) + (number < limit % len(queue.partitions))
        rows = JobRow.open_jobs.query(hash_key, JobRow.look_at <= now, limit=share, page_size=max(share, 1))
        for row in rows if share else ():
            yield account_of(row.pk), row.sk.partition("#")[2]


def _kept(job: Job) -> list[Action]:
    kept_until = job.kept_until(retention_days=settings().retention_days)
    if kept_until is None:
        return [JobRow.open.remove(), JobRow.look_at.remove()]
    return [JobRow.open.set(Queue.KEPT.partition_of(job.job_id)), JobRow.look_at.set(kept_until)]


def _attempt_row(attempt: Attempt) -> Any:  # noqa: ANN401 (PynamoDB gives paths the types of their values)
    return JobRow.attempts[attempt.number - 1]


def _note(job: Job, actions: list[Action], condition: Condition) -> bool:
    return _noted(job, actions, condition) is not None


def _noted(job: Job, actions: list[Action], condition: Condition) -> Job | None:
    row = key_of(job.account, job.job_id)
    return to_job(row) if update(row, [*actions, JobRow.revision.add(1)], condition) else None
