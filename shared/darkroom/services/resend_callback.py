"""Sends the callback of an ended job again, at a user's or an administrator's request."""

from __future__ import annotations

from datetime import datetime

from darkroom.aws import callback_queue
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import JobIsOpen, NoCallbackUrl
from darkroom.domain.jobs import Job
from darkroom.domain.limits import Act
from darkroom.storage import jobs, rate_limits


def resend(account: AccountId, job_id: str, *, now: datetime) -> Job:
    """Put the job's event into the callback queue again, with all tries of a new callback.

    The receiver gets the same `webhook-id` as before. Raises NotFound, NoCallbackUrl, JobIsOpen and
    TooManyRequests.
    """
    job = jobs.read(account, job_id)
    if not job.callback_url:
        raise NoCallbackUrl(job_id)
    if not job.status.is_final:
        raise JobIsOpen("The job has not ended. Its callback is sent when it ends.")
    rate_limits.count(account, Act.CALLBACK_RESENDS, now=now)
    callback_queue.send(job)
    return job
