"""A job as its owner is shown it: its links signed, and the headers that say when to look again."""

from __future__ import annotations

from datetime import datetime

from darkroom.domain.jobs import Job
from darkroom.media import bucket
from darkroom.schemas.responses import JobResponse
from darkroom.schemas.views import build_job_response
from darkroom.settings import settings

_YOUNG_SECONDS = 30


def job_response(job: Job, *, now: datetime) -> JobResponse:
    """Show a job, with links that are good from now on."""
    seconds = settings().link_seconds
    return build_job_response(job, link=lambda key: bucket.link(key, seconds=seconds), link_seconds=seconds, now=now)


def etag_of(job: Job, *, now: datetime) -> str:
    """Name the state of a job and of its links. It is weak, because each answer signs its links anew.

    Links that are half their life old are still good, and who asks then gets new ones.
    """
    half_lives = int(now.timestamp() / (settings().link_seconds / 2)) if job.outputs else 0
    return f'W/"{job.revision}-{half_lives}"'


def retry_after(job: Job, *, now: datetime) -> dict[str, str]:
    """Say when it is worth asking for an open job again; a final one does not change any more."""
    if job.status.is_final:
        return {}
    age_seconds = (now - job.created_at).total_seconds()
    return {"Retry-After": "1" if age_seconds < _YOUNG_SECONDS else "5"}
