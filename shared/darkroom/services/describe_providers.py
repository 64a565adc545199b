"""Describes the providers for administrators: slots, queue and health."""

from __future__ import annotations

from datetime import datetime

from darkroom.schemas.provider_responses import ProviderResponse, ProvidersResponse
from darkroom.schemas.views import time_text
from darkroom.settings import settings
from darkroom.storage import provider_queue, provider_slots

# 1,000 entries are about 250 KB, so the count reads about 31 units.
_WAITING_MAX = 1_000


def describe_providers(*, now: datetime) -> ProvidersResponse:
    """Return the slots, the queue and the health of each provider."""
    return {"providers": [_describe(name, now) for name in settings().providers]}


def _describe(name: str, now: datetime) -> ProviderResponse:
    rows = provider_slots.read_provider(name)
    waiting = provider_queue.entries_before(name, None, limit=_WAITING_MAX)
    state = rows.state
    is_paused = state.is_paused(now)
    return {
        "name": name,
        "slots": {"in_use": len(rows.slots), "max": settings().in_flight_max(name)},
        "queue": {
            "waiting": len(waiting),
            "waiting_since": time_text(waiting[0].enqueued_at) if waiting else None,
        },
        "paused_until": time_text(state.paused_until) if is_paused else None,
        "pause_reason": state.pause_reason if is_paused else None,
        "faults": {"in_a_row": state.faults.count, "templates": list(state.faults.templates)},
        "unavailable_templates": [
            {
                "template": code,
                "since": time_text(each.since),
                "reason": each.reason,
                "next_check_at": time_text(each.next_check_at),
            }
            for code, each in sorted(state.unavailable.items())
        ],
        "drifting_templates": [
            {"template": code, "difference": text} for code, text in sorted(state.drifting.items())
        ],
    }
