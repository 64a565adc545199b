"""The bodies of responses about providers, as types.

This module evaluates annotations at once (no `from __future__ import annotations`). Otherwise
typing compiles each annotation at every cold start.
"""

from typing import TypedDict

from darkroom.schemas.formats import Time, defer_builds


class SlotsResponse(TypedDict):
    """The slots of a provider: predictions in flight, and their maximum."""

    in_use: int
    max: int


class ProviderQueueResponse(TypedDict):
    """The queue of a provider. `waiting` counts at most 1,000 jobs.

    `waiting_since` is the time since which the first job has waited.
    """

    waiting: int
    waiting_since: Time | None


class ProviderResponse(TypedDict):
    """A provider. A paused provider gets no requests for new predictions until `paused_until`."""

    name: str
    slots: SlotsResponse
    queue: ProviderQueueResponse
    paused_until: Time | None
    pause_reason: str | None


class ProvidersResponse(TypedDict):
    """The providers of this deployment."""

    providers: list[ProviderResponse]


defer_builds(vars())
