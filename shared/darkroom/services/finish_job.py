"""How a job ends, wherever it ends: resolve, announce, leave the open jobs. Each of the three may be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import unquote

from darkroom.aws import event_bus
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound
from darkroom.domain.failures import Failure
from darkroom.domain.jobs import Job, JobStatus
from darkroom.observability import Metric, count, logger
from darkroom.providers import load_provider
from darkroom.storage import jobs, ledger


def finish(account: AccountId, job_id: str, *, reason: Failure | None = None, now: datetime) -> Job:
    """Resolve the job's hold from its record, announce it, and take it out of the open jobs. A job stays open until it is announced.

    What may still run at the provider for a job that ended without it is stopped. That comes after the resolution: the credits do not wait for
    the provider, and no prediction is noted on a job that is final, so none is overlooked.
    """
    job = ledger.resolve(account, job_id, reason=reason, now=now)
    if job.status is not JobStatus.COMPLETED:
        _cancel_predictions(job)
    event_bus.announce(job)
    jobs.leave_open_jobs(job)
    return job


def finish_step(account: AccountId, job_id: str, *, reason: Failure | None = None, now: datetime) -> Job | None:
    """Finish the job for a workflow state, and log and count how it ended. None: it ended before, and was deleted."""
    try:
        job = finish(account, job_id, reason=reason, now=now)
    except NotFound:
        logger.info("job ended and was deleted before", job_id=job_id)
        return None
    cause = reason.code if reason else None
    logger.info("job ended", job_id=job_id, status=job.status, charged=job.charged, refunded=job.refunded, cause=cause)
    count(Metric(f"Jobs{job.status.title()}"))
    return job


def _cancel_predictions(job: Job) -> None:
    for attempt in job.attempts:
        if attempt.prediction_id and not attempt.finished_at:
            with _log_errors(attempt.prediction_id):
                load_provider(job.model_input.provider).cancel(attempt.prediction_id)


def cancel_orphan(job: Job, prediction_id: str) -> None:
    """Count a prediction that came for this job and is not its own, and stop it, unless it is the prediction of another job."""
    logger.warning("orphan prediction", job_id=job.job_id, prediction_id=prediction_id)
    count(Metric.ORPHAN_PREDICTIONS)
    with _log_errors(prediction_id):
        provider = load_provider(job.model_input.provider)
        webhook_url = provider.get(prediction_id).webhook_url
        if webhook_url is None or f"{job.account}/{job.job_id}/" in unquote(webhook_url):
            provider.cancel(prediction_id)


@contextmanager
def _log_errors(prediction_id: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 (it ends at its deadline by itself, and nothing may stand between a user and a refund)
        logger.warning("prediction not stopped", prediction_id=prediction_id, cause=type(error).__name__)
