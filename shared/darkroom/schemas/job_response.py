"""The response for a job, with signed links, and its headers ETag and Retry-After."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from darkroom.domain.jobs import Job, Output
from darkroom.domain.provider_queue import Position
from darkroom.media.links import current_window
from darkroom.schemas.responses import (
    CallbackDeliveryResponse,
    JobErrorResponse,
    JobResponse,
    OutputResponse,
)
from darkroom.schemas.views import time_text
from darkroom.storage.deliveries import Delivery

_YOUNG_SECONDS = 30
_QUEUE_PERIOD_SECONDS = 15


class Links(Protocol):
    """Signs links to objects, as `darkroom.media.links.LinkWindow` does."""

    @property
    def expires_at(self) -> datetime:
        """The time at which the links expire."""

    def link(self, key: str, *, filename: str | None = None) -> str:
        """Sign a link. With a `filename`, a browser saves the object under this name."""


def job_response(job: Job, *, now: datetime, position: Position | None = None) -> JobResponse:
    """Build the response for a job, with the links of the current window.

    `position` is the position of a job that waits for a provider slot.
    """
    # Without outputs, no client of S3 is necessary. It would delay the first submit of a process.
    window = current_window(now) if job.outputs else None
    return build_job_response(job, links=window, position=position)


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

    The ETag is weak, because each execution environment signs links of its own. It changes with
    the window of the links, at least `link_seconds` before they expire. So a client replaces its
    links in time. It also changes every 15 seconds while the job waits in the queue, because its
    position changes.
    """
    last = f"-{deliveries[-1].at.timestamp()}" if deliveries else ""
    return f'W/"{job.revision}-{_period(job, now)}{last}"'


def _period(job: Job, now: datetime) -> int:
    """Return a number that changes when the response changes although the job does not."""
    if job.outputs:
        return int(current_window(now).expires_at.timestamp())
    return int(now.timestamp() / _QUEUE_PERIOD_SECONDS) if job.queue_key else 0


def retry_after(job: Job, *, now: datetime) -> dict[str, str]:
    """Return the header Retry-After for an open job, and no header for a final job."""
    if job.status.is_final:
        return {}
    age_seconds = (now - job.created_at).total_seconds()
    return {"Retry-After": "1" if age_seconds < _YOUNG_SECONDS else "5"}


def build_job_response(
    job: Job, *, links: Links | None, position: Position | None = None
) -> JobResponse:
    """Build the response for a job. `links` is None for a job without outputs."""
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
            _output_response(job, output, links)
            for output in sorted(job.outputs, key=lambda output: output.number)
        ]
        if links
        else [],
        "links_expire_at": time_text(links.expires_at) if links else None,
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


def _output_response(job: Job, output: Output, links: Links) -> OutputResponse:
    return {
        "url": links.link(output.key),
        "download_url": links.link(output.key, filename=_filename(job, output)),
        "thumbnail_url": links.link(output.thumbnail_key) if output.thumbnail_key else None,
        "placeholder": output.placeholder,
        "previews": [
            {
                "url": links.link(preview.key),
                "width": preview.width,
                "height": preview.height,
                "content_type": "image/webp",
                "bytes": preview.bytes,
            }
            for preview in output.previews
        ],
        "content_type": output.content_type,
        "bytes": output.bytes,
        "width": output.width,
        "height": output.height,
        "seconds": output.seconds,
        "frames": output.frames,
        "provenance": {"c2pa": output.c2pa},
    }


def _filename(job: Job, output: Output) -> str:
    """Return the name of a downloaded output: template, day of the job in UTC, number from 1."""
    extension = output.key.rpartition(".")[2]
    day = job.created_at.astimezone(UTC).date().isoformat()
    return f"{job.template.code}-{day}-{output.number + 1}.{extension}"


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
