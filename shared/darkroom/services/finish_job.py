"""Finishes jobs: resolve the hold, announce the end, leave the open queue. Each of the three may be repeated."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from darkroom.aws import event_bus
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound
from darkroom.domain.failures import Failure, failure_of_error
from darkroom.domain.jobs import Job, JobStatus
from darkroom.observability import Metric, count, logger
from darkroom.services.cancel_predictions import cancel_predictions
from darkroom.storage import jobs, ledger


def finish(account: AccountId, job_id: str, *, reason: Failure | None = None, now: datetime) -> Job:
    """Resolve the job's hold from its record, announce the end, and move the job out of the open queue.

    The job stays in the queue until it is announced, so recovery repeats what a crash left undone. Predictions of a job that did not complete
    are canceled. This happens after the resolution, so the refund does not wait for the provider.
    """
    job = ledger.resolve(account, job_id, reason=reason, now=now)
    if job.status is not JobStatus.COMPLETED:
        cancel_predictions(job)
    event_bus.announce(job)
    jobs.leave_open_jobs(job)
    return job


def finish_step(
    account: AccountId, job_id: str, *, error_name: str | None = None, now: datetime
) -> Job | None:
    """Finish the job for a workflow state, and log and count how it ended. None: it ended before, and was deleted.

    `error_name` is the error that ended the step before, such as `GenerationFailed` or `Sandbox.Timedout`.
    """
    reason = failure_of_error(error_name) if error_name else None
    try:
        job = finish(account, job_id, reason=reason, now=now)
    except NotFound:
        logger.info("job ended and was deleted before", job_id=job_id)
        return None
    fields: dict[str, Any] = {"cause": error_name} if error_name else {}
    logger.info(
        "job ended",
        job_id=job_id,
        status=job.status,
        charged=job.charged,
        refunded=job.refunded,
        **fields,
    )
    count(Metric(f"Jobs{job.status.title()}"))
    return job
