"""Reads jobs and updates their records.

Each update is one conditional write, so an invocation with an outdated copy of a job changes
nothing. An update returns whether it was written, or it returns the new value, or None if refused.
Updates never move credits: the functions in `ledger.py` create and end jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed, NotFound
from darkroom.domain.failures import Failure
from darkroom.domain.ids import is_id
from darkroom.domain.jobs import OPEN_STATUSES, Decoding, Job, Output
from darkroom.domain.limits import Act
from darkroom.settings import settings
from darkroom.storage import rate_limits
from darkroom.storage.job_parts import output_map
from darkroom.storage.job_rows import (
    JOB_PREFIX,
    CheckQueue,
    JobRow,
    key_of,
    partition,
    to_job,
)
from darkroom.storage.transactions import (
    Refused,
    Update,
    transact,
    update,
    update_without_reading,
)

IS_OPEN: Condition = JobRow.status.is_in(*(status.value for status in OPEN_STATUSES))
IN_OPEN_QUEUE: Condition = JobRow.check_queue == CheckQueue.OPEN
IN_ENDED_QUEUE: Condition = JobRow.check_queue == CheckQueue.ENDED
MAY_BE_DELETED: Condition = JobRow.status.exists() & ~IN_OPEN_QUEUE & ~IS_OPEN


def read(account: AccountId, job_id: str) -> Job:
    """Return a job, with a strongly consistent read.

    Raises NotFound if the account has no such job.
    """
    if not is_id(job_id):
        raise NotFound("job")
    try:
        return to_job(JobRow.get(partition(account), JOB_PREFIX + job_id, consistent_read=True))
    except JobRow.DoesNotExist:
        raise NotFound("job") from None


def store_task_token(
    job: Job, token: str, state_entry: str, *, next_check_at: datetime
) -> Job | None:
    """Store the task token of this state entry, and return the updated job.

    Returns None if the job has ended or a later state entry has stored its token. The returned job
    shows an earlier cancel request. A later cancel request finds the token.
    """
    return update_job(
        job,
        [
            JobRow.task_token.set(token),
            JobRow.state_entry.set(state_entry),
            JobRow.next_check_at.set(next_check_at),
        ],
        IS_OPEN & (JobRow.state_entry.does_not_exist() | (JobRow.state_entry <= state_entry)),
    )


def request_cancel(job: Job, *, next_check_at: datetime, now: datetime) -> Job | None:
    """Record and count a cancel request for an open job, and return the updated job.

    Returns None if the job has ended. Recovery checks the job at `next_check_at`, in case nothing
    resumes its execution before. A repeated request is not counted, so it is never refused. Raises
    TooManyCancels; then nothing is written.
    """
    actions: list[Action] = [
        JobRow.cancel_requested_at.set(now),
        JobRow.next_check_at.set(next_check_at),
        JobRow.revision.add(1),
    ]
    # A repeated request must not move the check, because many repetitions would delay it forever.
    is_first = IS_OPEN & JobRow.cancel_requested_at.does_not_exist()
    count_write = rate_limits.count_write(job.account, Act.CANCELS, now=now)
    try:
        transact(
            {
                "job": Update(key_of(job.account, job.job_id), actions, is_first),
                "count": count_write,
            }
        )
    except Refused as refused:
        if "job" not in refused.rows:
            raise rate_limits.limit_reached(Act.CANCELS, now=now) from refused
    else:
        return read(job.account, job.job_id)
    known = read(job.account, job.job_id)
    return None if known.status.is_final else known


def record_waiting(job: Job, *, now: datetime) -> bool:
    """Record that the job waits for a provider slot from now on, unless it already waits."""
    return try_update(job, [JobRow.waiting_since.set(JobRow.waiting_since | now)], IS_OPEN)


def record_storing(job: Job, *, now: datetime) -> bool:
    """Record that storing begins. After this, a cancel request has no effect.

    Returns False if storing began earlier or a cancel was requested.
    """
    return try_update(
        job,
        [JobRow.storing_at.set(now)],
        IS_OPEN & JobRow.storing_at.does_not_exist() & JobRow.cancel_requested_at.does_not_exist(),
    )


def record_decoding(job: Job, decoding: Decoding) -> bool:
    """Record that an output is in the bucket and is decoded from now on.

    Returns False if the job has ended, if another invocation decodes an output of the job, or if
    `job` does not have all stored outputs. Users do not see this, so `revision` does not change.
    """
    return update_without_reading(
        key_of(job.account, job.job_id),
        [JobRow.decoding.set(decoding.number), JobRow.decoding_key.set(decoding.key)],
        IS_OPEN & JobRow.decoding_key.does_not_exist() & _has_all_outputs(job),
    )


def clear_decoding(job: Job, decoding: Decoding) -> bool:
    """Record that an output is not decoded any more and will not be delivered from its object.

    Returns False if it was recorded as an output, or if another invocation did the same.
    """
    return update_without_reading(
        key_of(job.account, job.job_id),
        [JobRow.decoding.remove(), JobRow.decoding_key.remove()],
        JobRow.decoding_key == decoding.key,
    )


def record_output(job: Job, output: Output) -> bool:
    """Record the next stored output, and that it is not decoded any more.

    `job` must have all earlier outputs, and the same decoding as the record.
    """
    added = JobRow.outputs.set(JobRow.outputs.append([output_map(output)]))
    same_decoding = (
        JobRow.decoding_key == job.decoding.key
        if job.decoding
        else JobRow.decoding_key.does_not_exist()
    )
    return try_update(
        job,
        [added, JobRow.decoding.remove(), JobRow.decoding_key.remove()],
        IS_OPEN & same_decoding & _has_all_outputs(job),
    )


def _has_all_outputs(job: Job) -> Condition:
    condition: Condition = size(JobRow.outputs) == len(job.outputs)
    return condition


def record_failure(job: Job, failure: Failure) -> bool:
    """Record why the job failed, unless a failure is already recorded."""
    return try_update(
        job,
        [JobRow.failure_code.set(failure.code.value), JobRow.failure_message.set(failure.message)],
        IS_OPEN & JobRow.failure_code.does_not_exist(),
    )


@contextmanager
def recording_failures(job: Job) -> Iterator[None]:
    """Record the failure of a GenerationFailed on the job, and raise the error again."""
    try:
        yield
    except GenerationFailed as error:
        record_failure(job, error.failure)
        raise


def leave_open_jobs(job: Job) -> bool:
    """Move a final job, whose end is announced, out of the queue of open jobs.

    The job is retained for `retention_days`, or forever if the setting is 0. `revision` does not
    change, because users do not see the queue.
    """
    return update(key_of(job.account, job.job_id), _retention(job), IN_OPEN_QUEUE & ~IS_OPEN)


def renew_retention(job: Job) -> bool:
    """Set the end of a job's retention according to the current setting `retention_days`."""
    return update(key_of(job.account, job.job_id), _retention(job), IN_ENDED_QUEUE)


def _retention(job: Job) -> list[Action]:
    retain_until = job.retain_until(retention_days=settings().retention_days)
    if retain_until is None:
        return [JobRow.check_queue.remove(), JobRow.next_check_at.remove()]
    return [JobRow.check_queue.set(CheckQueue.ENDED), JobRow.next_check_at.set(retain_until)]


def update_job(job: Job, actions: list[Action], condition: Condition) -> Job | None:
    """Update a job's row and add one to `revision`. Return the updated job, or None if refused."""
    row = key_of(job.account, job.job_id)
    return to_job(row) if update(row, [*actions, JobRow.revision.add(1)], condition) else None


def try_update(job: Job, actions: list[Action], condition: Condition) -> bool:
    """Update a job's row and add one to `revision`. Return whether it was updated."""
    row = key_of(job.account, job.job_id)
    return update_without_reading(row, [*actions, JobRow.revision.add(1)], condition)
