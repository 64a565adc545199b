"""The responses for accounts, uploads and templates. Each response lists its fields explicitly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast, overload

from darkroom.domain.accounts import Balance, Entry
from darkroom.domain.starting_price import starting_price
from darkroom.domain.templates import Template
from darkroom.domain.uploads import Upload
from darkroom.schemas.account_responses import (
    BalanceResponse,
    EntryKind,
    EntryPageResponse,
    EntryResponse,
)
from darkroom.schemas.formats import Time
from darkroom.schemas.responses import TemplateResponse, UploadResponse
from darkroom.settings import settings
from darkroom.storage.pagination import Page


def balance_response(balance: Balance) -> BalanceResponse:
    """Build the response for a balance."""
    return {
        "available": balance.available,
        "held": balance.held,
        "spent": balance.spent,
        "granted": balance.granted,
        "in_flight": balance.in_flight,
    }


def entry_response(entry: Entry) -> EntryResponse:
    """Build the response for a ledger entry."""
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
    """Build the response for a page of ledger entries."""
    return {
        "entries": [entry_response(entry) for entry in page.items],
        "next_cursor": page.next_cursor,
    }


def upload_response(upload: Upload) -> UploadResponse:
    """Build the response for a completed upload. It shows the smallest image, as release 0.1.0."""
    image = upload.images[0] if upload.images else None
    return {
        "upload_id": upload.upload_id,
        "content_type": image.content_type if image else None,
        "width": image.width if image else None,
        "height": image.height if image else None,
        "expires_at": time_text(upload.expires_at),
    }


def template_response(template: Template) -> TemplateResponse:
    """Build the response for a template, with the JSON Schema of its parameters.

    `usage_views.priced_template_response` adds what administrators see.
    """
    return {
        "code": template.code,
        "version": template.version,
        "name": template.name,
        "description": template.description,
        "category": template.category,
        "expected_seconds": template.expected_seconds,
        "seconds_max": template.seconds_max,
        "commercial_use": template.commercial_use,
        "credits": starting_price(template, settings().prices),
        "parameters": template.schema(prompt_characters_max=settings().prompt_characters_max),
    }


@overload
def time_text(time: datetime) -> Time: ...
@overload
def time_text(time: datetime | None) -> Time | None: ...
def time_text(time: datetime | None) -> Time | None:
    """Format a time as ISO 8601 in UTC, with milliseconds."""
    return (
        time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if time
        else None
    )
