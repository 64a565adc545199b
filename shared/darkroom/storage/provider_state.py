"""The state of a provider: the virtual time of its queue, and its pause.

A paused provider gets no requests for new predictions. Waiting jobs wait, within `queue_until`.
"""

from __future__ import annotations

from datetime import datetime

from darkroom.domain.provider_queue import PauseReason, ProviderState
from darkroom.storage.queue_rows import ProviderStateRow
from darkroom.storage.transactions import update

STATE_SORT_KEY = "state"


def partition(provider: str) -> str:
    """Return the partition key of the provider's slots and state."""
    return f"SLOT#{provider}"


def read_state(provider: str) -> ProviderState:
    """Return the state of a provider, with a strongly consistent read."""
    try:
        row = ProviderStateRow.get(partition(provider), STATE_SORT_KEY, consistent_read=True)
    except ProviderStateRow.DoesNotExist:
        return ProviderState()
    return to_state(row)


def pause(provider: str, *, until: datetime, reason: PauseReason, now: datetime) -> bool:
    """Pause a provider until a time. A pause for another reason is not changed before its end.

    A pause for the same reason is only extended. Returns whether this call paused the provider or
    extended its pause.
    """
    is_free = ProviderStateRow.paused_until.does_not_exist() | (
        ProviderStateRow.paused_until <= now
    )
    is_shorter = (ProviderStateRow.pause_reason == reason.value) & (
        ProviderStateRow.paused_until < until
    )
    return update(
        _row(provider),
        [
            ProviderStateRow.paused_until.set(until),
            ProviderStateRow.pause_reason.set(reason.value),
        ],
        is_free | is_shorter,
    )


def resume(provider: str) -> None:
    """End the pause of a provider. The caller dispatches its queue."""
    update(
        _row(provider),
        [ProviderStateRow.paused_until.remove(), ProviderStateRow.pause_reason.remove()],
    )


def advance(provider: str, virtual_time: int) -> None:
    """Advance the virtual time of the provider's queue. It never goes back."""
    update(
        _row(provider),
        [ProviderStateRow.virtual_time.set(virtual_time)],
        ProviderStateRow.virtual_time.does_not_exist()
        | (ProviderStateRow.virtual_time < virtual_time),
    )


def to_state(row: ProviderStateRow) -> ProviderState:
    """Return the state in a row."""
    return ProviderState(
        virtual_time=int(row.virtual_time or 0),
        paused_until=row.paused_until,
        pause_reason=PauseReason(row.pause_reason) if row.pause_reason else None,
    )


def _row(provider: str) -> ProviderStateRow:
    return ProviderStateRow(partition(provider), STATE_SORT_KEY)
