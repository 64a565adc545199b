"""Describes the providers for administrators: slots, queue and pause."""

from __future__ import annotations

from datetime import datetime

from darkroom.schemas.provider_responses import ProviderResponse, ProvidersResponse
from darkroom.schemas.views import time_text
from darkroom.settings import settings
from darkroom.storage import provider_queue, provider_slots

# 1,000 entries are about 250 KB, so the count reads about 31 units.
_WAITING_MAX = 1_000


def describe_providers(*, now: datetime) -> ProvidersResponse:
    """Return the slots, the queue and the pause of each provider."""
    return {"providers": [_describe(name, now) for name in settings().providers]}


def _describe(name: str, now: datetime) -> ProviderResponse:
    rows = provider_slots.read_provider(name)
    waiting = provider_queue.entries_before(name, None, limit=_WAITING_MAX)
    is_paused = rows.state.is_paused(now)
    return {
        "name": name,
        "slots": {"in_use": len(rows.slots), "max": settings().in_flight_max(name)},
        "queue": {
            "waiting": len(waiting),
            "waiting_since": time_text(waiting[0].enqueued_at) if waiting else None,
        },
        "paused_until": time_text(rows.state.paused_until) if is_paused else None,
        "pause_reason": rows.state.pause_reason if is_paused else None,
    }
