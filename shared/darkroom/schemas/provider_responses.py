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


class FaultsResponse(TypedDict):
    """The faults of a provider since its last success, and some of their templates."""

    in_a_row: int
    templates: list[str]


class UnavailableTemplateResponse(TypedDict):
    """A template whose model the provider does not offer, and the time of the next check."""

    template: str
    since: Time
    reason: str
    next_check_at: Time


class DriftingTemplateResponse(TypedDict):
    """A template that differs from the provider's model, and what differs."""

    template: str
    difference: str


class ProviderResponse(TypedDict):
    """A provider. A paused provider gets no requests for new predictions.

    `pause_reason` is `spend`, `account` or `faults`. A pause with the reason `spend` ends at
    `paused_until`. The other pauses end when a check of the provider succeeds, and `paused_until`
    is the time of the next check.
    """

    name: str
    slots: SlotsResponse
    queue: ProviderQueueResponse
    paused_until: Time | None
    pause_reason: str | None
    faults: FaultsResponse
    unavailable_templates: list[UnavailableTemplateResponse]
    drifting_templates: list[DriftingTemplateResponse]


class ProvidersResponse(TypedDict):
    """The providers of this deployment."""

    providers: list[ProviderResponse]


defer_builds(vars())
