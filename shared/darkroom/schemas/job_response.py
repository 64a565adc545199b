"""The response for a job, with signed links, and its headers ETag and Retry-After."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from darkroom.domain.jobs import Job, Output
from darkroom.domain.provider_queue import Position
from darkroom.media import bucket
from darkroom.schemas.responses import (
    CallbackDeliveryResponse,
    JobErrorResponse,
    JobResponse,
    OutputResponse,
)
from darkroom.schemas.views import time_text
from darkroom.settings import settings
from darkroom.storage.deliveries import Delivery

_YOUNG_SECONDS = 30
_QUEUE_PERIOD_SECONDS = 15


type Link = Callable[[str], str]


def job_response(job: Job, *, now: datetime, position: Position | None = None) -> JobResponse:
    """Build the response for a job, with links that are valid from now on.

    `position` is the position of a job that waits for a provider slot.
    """
    seconds = settings().link_seconds
    return build_job_response(
        job,
        link=lambda key: bucket.link(key, seconds=seconds),
        link_seconds=seconds,
        now=now,
        position=position,
    )


def delivery_responses(deliveries: Sequence[Delivery]) -> list[CallbackDeliveryResponse]:
    """Build the part of a job's response with the tries of its callback."""
    return [
        {
            "at": time_text(delivery.at),
            "status": delivery.status,
            "seconds": delivery.seconds,
            "next_at": time_text(delivery.next_at),
        }
        for delivery in deliveries
    ]


def etag_of(job: Job, *, now: datetime, deliveries: Sequence[Delivery] = ()) -> str:
    """Return the ETag of a job, its links, and the deliveries in its response.

    The ETag is weak, because each response signs its links again. It changes after half of the
    links' lifetime. So a client replaces its links before they expire. It also changes every
    15 seconds while the job waits in the queue, because its position changes.
    """
    period_seconds = settings().link_seconds / 2 if job.outputs else _QUEUE_PERIOD_SECONDS
    periods = int(now.timestamp() / period_seconds) if job.outputs or job.queue_key else 0
    last = f"-{deliveries[-1].at.timestamp()}" if deliveries else ""
    return f'W/"{job.revision}-{periods}{last}"'


def retry_after(job: Job, *, now: datetime) -> dict[str, str]:
    """Return the header Retry-After for an open job, and no header for a final job."""
    if job.status.is_final:
        return {}
    age_seconds = (now - job.created_at).total_seconds()
    return {"Retry-After": "1" if age_seconds < _YOUNG_SECONDS else "5"}


def build_job_response(
    job: Job, *, link: Link, link_seconds: int, now: datetime, position: Position | None = None
) -> JobResponse:
    """Build the response for a job.

    `link` signs a link to an object of the bucket. The link is valid for `link_seconds`.
    """
    return {
        "id": job.job_id,
        "status": job.status,
        "template": {
            "code": job.template.code,
            "version": job.template.version,
            "name": job.template.name,
            "category": job.template.category,
        },
        "parameters": dict(job.parameters),
        "credits": {
            "quoted": job.quoted,
            "held": job.held,
            "charged": job.charged,
            "refunded": job.refunded,
        },
        "outputs": [
            _output_response(output, link)
            for output in sorted(job.outputs, key=lambda output: output.number)
        ],
        "links_expire_at": time_text(now + timedelta(seconds=link_seconds))
        if job.outputs
        else None,
        "error": _error_response(job),
        "metadata": dict(job.metadata),
        "queue_until": time_text(job.queue_until),
        "queue": {
            "ahead_of_yours": position.ahead_of_yours,
            "expected_start_at": time_text(position.expected_start_at),
        }
        if position
        else None,
        "deadline_at": time_text(job.deadline_at),
        "attempts": len(job.attempts),
        "waiting_since": time_text(job.waiting_since),
        "cancel_requested_at": time_text(job.cancel_requested_at),
        "created_at": time_text(job.created_at),
        "started_at": time_text(job.started_at),
        "finished_at": time_text(job.finished_at),
        "processing_seconds": _processing_seconds(job),
    }


def _output_response(output: Output, link: Link) -> OutputResponse:
    return {
        "url": link(output.key),
        "thumbnail_url": link(output.thumbnail_key) if output.thumbnail_key else None,
        "placeholder": output.placeholder,
        "content_type": output.content_type,
        "bytes": output.bytes,
        "width": output.width,
        "height": output.height,
        "seconds": output.seconds,
    }


def _error_response(job: Job) -> JobErrorResponse | None:
    if not job.status.is_final or job.failure is None:
        return None
    return {
        "code": job.failure.code,
        "message": job.failure.message,
        "retryable": job.failure.retryable,
    }


def _processing_seconds(job: Job) -> float | None:
    if job.started_at is None or job.finished_at is None:
        return None
    return round((job.finished_at - job.started_at).total_seconds(), 3)
