"""How a job, an account and a template are shown. Every answer is an explicit list of fields."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast, overload

from darkroom.domain.accounts import Balance, Entry
from darkroom.domain.jobs import Job, Output
from darkroom.domain.templates import Template
from darkroom.domain.uploads import Upload
from darkroom.schemas.responses import (
    BalanceResponse,
    EntryKind,
    EntryPageResponse,
    EntryResponse,
    JobErrorResponse,
    JobResponse,
    OutputResponse,
    TemplateResponse,
    Time,
    UploadResponse,
)
from darkroom.settings import settings
from darkroom.storage.pagination import Page

type Link = Callable[[str], str]


def build_job_response(job: Job, *, link: Link, link_seconds: int, now: datetime) -> JobResponse:
    """Show a job to its owner. `link` signs a link to an object of the bucket, good for `link_seconds`."""
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
        "credits": {"quoted": job.quoted, "held": job.held, "charged": job.charged, "refunded": job.refunded},
        "outputs": [_output_response(output, link) for output in sorted(job.outputs, key=lambda output: output.number)],
        "links_expire_at": time_text(now + timedelta(seconds=link_seconds)) if job.outputs else None,
        "error": _error_response(job),
        "metadata": dict(job.metadata),
        "deadline_at": time_text(job.deadline_at),
        "attempts": len(job.attempts),
        "waiting_since": time_text(job.waiting_since),
        "cancel_requested_at": time_text(job.cancel_requested_at),
        "created_at": time_text(job.created_at),
        "started_at": time_text(job.started_at),
        "finished_at": time_text(job.finished_at),
        "processing_seconds": _processing_seconds(job),
    }


def balance_response(balance: Balance) -> BalanceResponse:
    """Show the balance of an account."""
    return {
        "available": balance.available,
        "held": balance.held,
        "spent": balance.spent,
        "granted": balance.granted,
        "in_flight": balance.in_flight,
    }


def entry_response(entry: Entry) -> EntryResponse:
    """Show a ledger entry."""
    return {
        "id": entry.entry_id,
        "kind": cast("EntryKind", entry.kind),
        "granted": entry.granted,
        "available": entry.available,
        "held": entry.held,
        "spent": entry.spent,
        "job_id": entry.job_id,
        "reference": entry.reference,
        "created_at": time_text(entry.created_at),
    }


def entry_page_response(page: Page[Entry]) -> EntryPageResponse:
    """Show a page of ledger entries."""
    return {"entries": [entry_response(entry) for entry in page.items], "next_cursor": page.next_cursor}


def upload_response(upload: Upload) -> UploadResponse:
    """Show an upload that is fit to be an input."""
    image = upload.image
    return {
        "upload_id": upload.upload_id,
        "content_type": image.content_type if image else None,
        "width": image.width if image else None,
        "height": image.height if image else None,
        "expires_at": time_text(upload.expires_at),
    }


def template_response(template: Template) -> TemplateResponse:
    """Show a template, with the JSON Schema from which a client draws its form."""
    return {
        "code": template.code,
        "version": template.version,
        "name": template.name,
        "description": template.description,
        "category": template.category,
        "expected_seconds": template.expected_seconds,
        "seconds_max": template.seconds_max,
        "commercial_use": template.commercial_use,
        "parameters": template.schema(prompt_characters_max=settings().prompt_characters_max),
    }


@overload
def time_text(time: datetime) -> Time: ...
@overload
def time_text(time: datetime | None) -> Time | None: ...
def time_text(time: datetime | None) -> Time | None:
    """Write a time as ISO 8601 in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None


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
    return {"code": job.failure.code, "message": job.failure.message, "retryable": job.failure.retryable}


def _processing_seconds(job: Job) -> float | None:
    if job.started_at is None or job.finished_at is None:
        return None
    return round((job.finished_at - job.started_at).total_seconds(), 3)
