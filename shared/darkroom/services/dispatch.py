"""Gives free provider slots to waiting jobs."""

from __future__ import annotations

from datetime import datetime

from darkroom import clock
from darkroom.aws import step_functions
from darkroom.domain.errors import WorkflowUnavailable
from darkroom.domain.jobs import Attempt, Job
from darkroom.domain.provider_queue import flow_correction
from darkroom.observability import Metric, count, logger
from darkroom.storage import provider_queue, queue_flows

_GRANTS_MAX = 3


def dispatch(provider: str, *, grants_max: int = _GRANTS_MAX) -> int:
    """Give free slots of a provider to the first waiting jobs, and resume these jobs.

    Returns the number of jobs that got a slot. Errors are logged and not raised: the caller has
    done its work, and recovery dispatches every minute.
    """
    granted = 0
    try:
        while granted < grants_max:
            job, free = provider_queue.grant_next(provider, now=clock.now())
            if job is None:
                break
            granted += 1
            _resume(job)
            if not free:
                break
    except Exception:  # noqa: BLE001 (see above)
        logger.exception("queue not dispatched", provider=provider)
        count(Metric.DISPATCHES_FAILED)
    return granted


def dispatch_after(job: Job, attempt: Attempt, *, now: datetime) -> None:
    """Give the slot that a job has freed to the next job.

    If a job waited, the flow of the account is corrected by the time that the prediction took.
    """
    if not dispatch(job.model_input.provider) or job.seconds_max is None:
        return
    correction = flow_correction(
        expected_seconds=job.expected_seconds,
        actual_seconds=(now - attempt.requested_at).total_seconds(),
        seconds_max=job.seconds_max,
    )
    try:
        queue_flows.correct(job, correction)
    except Exception:  # noqa: BLE001 (the estimate of a later job is then less exact)
        logger.exception("flow not corrected", job_id=job.job_id)


def _resume(job: Job) -> None:
    """Resume a job that has got a slot. If this fails, recovery resumes the job."""
    if job.task_token is None:
        return
    try:
        step_functions.resume(job.task_token)
    except WorkflowUnavailable as error:
        logger.warning("job not resumed, recovery will retry", job_id=job.job_id, cause=str(error))
