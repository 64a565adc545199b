"""Cancels a job: records the request, and has the workflow end the job."""

from __future__ import annotations

from datetime import datetime, timedelta

from darkroom.aws import step_functions
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import JobIsFinal
from darkroom.domain.jobs import Job
from darkroom.observability import logger
from darkroom.settings import settings
from darkroom.storage import jobs


def cancel(account: AccountId, job_id: str, *, now: datetime) -> Job:
    """Request the end of an open job, and return the job as it is then. Only the workflow ends it: a cancel after storing began loses.

    Raises NotFound, and JobIsFinal. Recovery resumes the job when the workflow could not be resumed now.
    """
    job = jobs.read(account, job_id)
    requested = jobs.request_cancel(
        job, next_check_at=now + timedelta(seconds=settings().start_grace_seconds), now=now
    )
    if requested is None:
        raise JobIsFinal(jobs.read(account, job_id).status)
    step_functions.resume_or_start(requested)
    logger.info("cancel requested", job_id=job_id, in_time=requested.cancel_wins)
    return requested
