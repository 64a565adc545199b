"""Cancels a job: records the request, and resumes the workflow, which ends the job."""

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
    """Record a cancel request for an open job and resume its workflow. Return the updated job.

    A cancel request after the start of storing has no effect. If the resume fails, recovery
    repeats it. Raises NotFound, JobIsFinal if the job has ended, and TooManyCancels.
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
