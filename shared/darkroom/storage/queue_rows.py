"""The rows of provider slots and of the queue for them, and their conversion."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pynamodb.attributes import (
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)

from darkroom.domain.accounts import AccountId
from darkroom.domain.provider_health import (
    FaultRow,
    PauseReason,
    ProviderState,
    UnavailableTemplate,
)
from darkroom.domain.provider_queue import QueueEntry, Slot
from darkroom.storage.job_rows import partition
from darkroom.storage.json_text import JsonTextAttribute
from darkroom.storage.table import Row


class SlotRow(Row):
    """A provider slot in use. The row exists while the job `holder` holds the slot.

    `finish` is the virtual finish of the job. The rows of release 0.1.0 do not have it.
    """

    holder = UnicodeAttribute()
    taken_at = UTCDateTimeAttribute()
    finish = NumberAttribute(null=True)


class QueueEntryRow(Row):
    """The queue entry of the job `holder`, which waits for a provider slot.

    Its sort key begins with the virtual start. Release 0.1.0 wrote entries that name no job. Only
    these have `alive_until` and `expires_at`.
    """

    holder = UnicodeAttribute(null=True)
    start = NumberAttribute(null=True)
    finish = NumberAttribute(null=True)
    enqueued_at = UTCDateTimeAttribute(null=True)
    alive_until = UTCDateTimeAttribute(null=True)
    expires_at = NumberAttribute(null=True)


class FlowRow(Row):
    """The flow of an account in a provider's queue: the virtual finish of its last entry.

    `starts` has the virtual starts of the account's entries. Conditions compare `version`.
    """

    finish = NumberAttribute()
    starts: ListAttribute[NumberAttribute] = ListAttribute(of=NumberAttribute, default=list)
    version = NumberAttribute()
    expires_at = NumberAttribute()


class ProviderStateRow(SlotRow):
    """The state of a provider: the virtual time of its queue in milliseconds, and its health.

    `faults` has the members of a FaultRow. `unavailable` and `drifting` have an entry for each
    template. The row is in the partition of the provider's slots, so one query returns the slots
    and the state as rows of this class.
    """

    holder = UnicodeAttribute(null=True)
    taken_at = UTCDateTimeAttribute(null=True)
    virtual_time = NumberAttribute(null=True)
    paused_until = UTCDateTimeAttribute(null=True)
    pause_reason = UnicodeAttribute(null=True)
    pauses_count = NumberAttribute(null=True)
    faults = JsonTextAttribute(null=True)
    unavailable = JsonTextAttribute(null=True)
    drifting = JsonTextAttribute(null=True)


def to_slot(row: ProviderStateRow) -> Slot:
    """Return the slot in a row."""
    account, _, job_id = row.holder.rpartition("/")
    return Slot(row.sk, account, job_id, int(row.finish or 0), row.taken_at)


def to_queue_entry(row: QueueEntryRow) -> QueueEntry:
    """Return the entry in a row."""
    account, _, job_id = row.holder.rpartition("/")
    return QueueEntry(row.sk, account, job_id, int(row.start), int(row.finish), row.enqueued_at)


def to_provider_state(row: ProviderStateRow) -> ProviderState:
    """Return the state in a row of a provider's state."""
    faults = row.faults or {}
    return ProviderState(
        virtual_time=int(row.virtual_time or 0),
        paused_until=row.paused_until,
        pause_reason=PauseReason(row.pause_reason) if row.pause_reason else None,
        pauses_count=int(row.pauses_count or 0),
        faults=FaultRow(
            int(faults.get("count", 0)),
            tuple(faults.get("templates", ())),
            tuple(faults.get("accounts", ())),
        ),
        unavailable={
            code: UnavailableTemplate(
                since=datetime.fromisoformat(stored["since"]),
                reason=stored["reason"],
                next_check_at=datetime.fromisoformat(stored["next_check_at"]),
                checks_count=int(stored["checks_count"]),
            )
            for code, stored in (row.unavailable or {}).items()
        },
        drifting=row.drifting or {},
    )


def unavailable_attribute(templates: Mapping[str, UnavailableTemplate]) -> dict[str, Any]:
    """Return the unavailable templates as the attribute `unavailable` stores them."""
    return {
        code: {
            "since": each.since.isoformat(),
            "reason": each.reason,
            "next_check_at": each.next_check_at.isoformat(),
            "checks_count": each.checks_count,
        }
        for code, each in templates.items()
    }


def flow_key(account: AccountId, provider: str) -> FlowRow:
    """Return a row with only the keys of an account's flow."""
    return FlowRow(partition(account), f"FLOW#{provider}")


def entry_row_key(provider: str, key: str) -> QueueEntryRow:
    """Return a row with only the keys of a queue entry."""
    return QueueEntryRow(queue_partition(provider), key)


def queue_partition(provider: str) -> str:
    """Return the partition key of a provider's queue."""
    return f"QUEUE#{provider}"
