"""Finishes jobs: resolves the hold, announces the end, and removes the job from the open queue."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from darkroom.aws import event_bus
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound
from darkroom.domain.failures import Failure, failure_of_error
from darkroom.domain.jobs import Job, JobStatus
from darkroom.observability import Metric, count, logger
from darkroom.services import provider_health, spend
from darkroom.services.cancel_predictions import cancel_predictions
from darkroom.services.dispatch import dispatch
from darkroom.services.failure_metrics import count_failure
from darkroom.storage import jobs, ledger


def finish(account: AccountId, job_id: str, *, reason: Failure | None = None, now: datetime) -> Job:
    """Resolve the job's hold from its record, announce its end, and remove it from the open jobs.

    If the job held a provider slot, the slot goes to the next job.

    Each step can be repeated. The job leaves the queue last, so recovery repeats the steps that a
    crash prevented. If the job did not complete, its predictions are canceled after the hold is
    resolved: the refund does not wait for the provider. Raises NotFound.
    """
    job, is_released = ledger.resolve_and_release(account, job_id, reason=reason, now=now)
    if job.status is not JobStatus.COMPLETED:
        cancel_predictions(job)
    if is_released:
        dispatch(job.model_input.provider)
    event_bus.announce(job)
    # Only one call moves the job out of the queue, so a repeated end is not counted again.
    if jobs.leave_open_jobs(job):
        spend.record_cancel(job, now=now)
        provider_health.record_end(job, now=now)
    return job


def finish_step(
    account: AccountId, job_id: str, *, error_name: str | None = None, now: datetime
) -> Job | None:
    """Finish the job for a workflow state. Log and count its status.

    `error_name` is the error that ended the previous state, such as `GenerationFailed` or
    `Sandbox.Timedout`. Returns the job, or None if the job has already ended and been deleted.
    """
    reason = failure_of_error(error_name) if error_name else None
    try:
        job = finish(account, job_id, reason=reason, now=now)
    except NotFound:
        logger.info("job already ended and deleted", job_id=job_id)
        return None
    fields: dict[str, Any] = {"cause": error_name} if error_name else {}
    if job.failure:
        fields |= {"failure": job.failure.code, "template": job.template.code}
    logger.info(
        "job ended",
        job_id=job_id,
        status=job.status,
        charged=job.charged,
        refunded=job.refunded,
        **fields,
    )
    count(Metric(f"Jobs{job.status.title()}"))
    if job.failure:
        count_failure(job.failure)
    return job
