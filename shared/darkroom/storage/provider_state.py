"""The state of a provider: the virtual time of its queue, and its pause.

A paused provider gets no requests for new predictions. Waiting jobs wait, within `queue_until`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from darkroom.domain.provider_state import ProviderState
from darkroom.storage.table import ProviderStateRow
from darkroom.storage.transactions import update


def partition(provider: str) -> str:
    """Return the partition key of the provider's slots and state."""
    return f"SLOT#{provider}"


def read_state(provider: str) -> ProviderState:
    """Return the state of a provider, with a strongly consistent read."""
    try:
        return to_state(ProviderStateRow.get(partition(provider), "state", consistent_read=True))
    except ProviderStateRow.DoesNotExist:
        return ProviderState()
