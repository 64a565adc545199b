"""Records the attempts of a job: each request to the provider, its lease and its prediction.

Each update is one conditional write, as in `jobs.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pynamodb.expressions.condition import size
from pynamodb.expressions.update import Action

from darkroom.domain.jobs import ATTEMPTS_MAX, Attempt, Job, JobStatus
from darkroom.domain.references import new_nonce
from darkroom.storage import jobs, provider_slots
from darkroom.storage.job_parts import attempt_map
from darkroom.storage.job_rows import JobRow, key_of
from darkroom.storage.transactions import Refused, Update, transact


def begin_attempt(
    job: Job, state_entry: str, *, lease_until: datetime, now: datetime
) -> Attempt | None:
    """Record the next attempt and return it. The caller sends the request after this.

    Returns None if another invocation has recorded the attempt, or ATTEMPTS_MAX is reached.
    """
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
    actions = [added, *_deadline(job, now)]
    return (
        attempt
        if jobs.try_update(
            job, actions, jobs.IS_OPEN & (size(JobRow.attempts) == len(job.attempts))
        )
        else None
    )


def retry_attempt(
    job: Job, attempt: Attempt, state_entry: str, *, lease_until: datetime, now: datetime
) -> Attempt | None:
    """Renew an attempt without a prediction after its lease, and return it.

    The caller then repeats the request. Returns None if another invocation has renewed the attempt,
    or its lease has not ended. The nonce stays, so a webhook of the earlier request is still valid.
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
    is_renewed = jobs.try_update(
        job,
        [
            row.state_entry.set(state_entry),
            row.requested_at.set(now),
            row.lease_until.set(lease_until),
            row.requests_count.set(renewed.requests_count),
            row.abandoned.set(False),
            *_deadline(job, now),
        ],
        jobs.IS_OPEN
        & (row.requests_count == attempt.requests_count)
        & (row.lease_until <= now)
        & row.prediction_id.does_not_exist(),
    )
    return renewed if is_renewed else None


def abandon_attempt(job: Job, attempt: Attempt, *, now: datetime) -> bool:
    """Record that the provider created nothing for this attempt. The request may be repeated.

    The job waits from now on, unless it already waits. It has no deadline before its first request
    that the provider does not refuse.
    """
    row = _attempt_row(attempt)
    has_prediction = attempt.number > 1 or job.seconds_max is None
    return jobs.try_update(
        job,
        [
            row.abandoned.set(True),
            row.lease_until.set(now),
            JobRow.waiting_since.set(JobRow.waiting_since | now),
            *([] if has_prediction else [JobRow.deadline_at.remove()]),
        ],
        jobs.IS_OPEN
        & (row.requests_count == attempt.requests_count)
        & row.prediction_id.does_not_exist(),
    )


def expire_lease(
    job: Job, attempt: Attempt, *, until: datetime, now: datetime, is_unanswered: bool = False
) -> bool:
    """Record that the request created no prediction that is known.

    After `until`, an invocation may repeat the request. `is_unanswered` tells whether the request
    got no response. The job waits from now on, unless it already waits.
    """
    row = _attempt_row(attempt)
    unanswered = row.unanswered_count.set(attempt.unanswered_count + 1)
    return jobs.try_update(
        job,
        [
            row.lease_until.set(until),
            JobRow.waiting_since.set(JobRow.waiting_since | now),
            *([unanswered] if is_unanswered else []),
        ],
        jobs.IS_OPEN
        & (row.requests_count == attempt.requests_count)
        & row.prediction_id.does_not_exist(),
    )


def record_outputs(job: Job, attempt: Attempt, outputs: Sequence[str], *, now: datetime) -> bool:
    """Record the finished outputs of an attempt that needs a request for each output.

    The lease ends, so the next invocation may request the next output. The job is then processing.
    """
    row = _attempt_row(attempt)
    return jobs.try_update(
        job,
        [
            row.finished_outputs.set(list(outputs)),
            row.unanswered_count.set(0),
            row.lease_until.set(now),
            JobRow.status.set(JobStatus.PROCESSING.value),
            JobRow.started_at.set(JobRow.started_at | now),
            JobRow.waiting_since.remove(),
        ],
        jobs.IS_OPEN
        & (row.requests_count == attempt.requests_count)
        & row.prediction_id.does_not_exist(),
    )


def record_prediction(job: Job, attempt: Attempt, prediction_id: str, *, now: datetime) -> bool:
    """Record the id of the attempt's prediction, once. The job is then processing."""
    row = _attempt_row(attempt)
    return jobs.try_update(
        job,
        [
            row.prediction_id.set(prediction_id),
            JobRow.status.set(JobStatus.PROCESSING.value),
            JobRow.started_at.set(JobRow.started_at | now),
            JobRow.waiting_since.remove(),
        ],
        jobs.IS_OPEN & (row.nonce == attempt.nonce) & row.prediction_id.does_not_exist(),
    )


def record_success(job: Job, attempt: Attempt, *, now: datetime) -> bool:
    """Record that the attempt's prediction has succeeded, and free the job's slot.

    Returns whether a slot was freed. Otherwise only the end of the prediction is recorded.
    """
    if release := provider_slots.release_write(job):
        row = _attempt_row(attempt)
        update = Update(
            key_of(job.account, job.job_id),
            [
                row.finished_at.set(row.finished_at | now),
                JobRow.slot.remove(),
                JobRow.revision.add(1),
            ],
            jobs.IS_OPEN & (row.nonce == attempt.nonce) & (JobRow.slot == job.slot),
        )
        try:
            transact({"slot": release, "job": update})
        except Refused:
            # Another invocation has freed the slot, or the job has ended.
            pass
        else:
            return True
    record_finished(job, attempt, now=now)
    return False


def record_finished(job: Job, attempt: Attempt, *, now: datetime) -> bool:
    """Record the time at which the attempt's prediction was first known to have ended."""
    row = _attempt_row(attempt)
    return jobs.try_update(
        job,
        [row.finished_at.set(now)],
        jobs.IS_OPEN & (row.nonce == attempt.nonce) & row.finished_at.does_not_exist(),
    )


def _deadline(job: Job, now: datetime) -> list[Action]:
    """Return the action that sets the job's deadline at its first request."""
    if job.seconds_max is None:
        return []
    deadline = now + timedelta(seconds=job.seconds_max)
    return [JobRow.deadline_at.set(JobRow.deadline_at | deadline)]


def _attempt_row(attempt: Attempt) -> Any:  # noqa: ANN401 (PynamoDB types a path as its value)
    return JobRow.attempts[attempt.number - 1]
