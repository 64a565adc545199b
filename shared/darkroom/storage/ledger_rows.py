"""Between the ledger and its rows: entries, and the writes that put them there once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from uuid6 import uuid7

from darkroom.domain.accounts import AccountId, Balance, Entry
from darkroom.storage.job_rows import partition
from darkroom.storage.table import AccountRow, EntryRow
from darkroom.storage.transactions import Put

ENTRY_PREFIX = "ENTRY#"


def entry_row(account: AccountId, kind: str, now: datetime, **changes: Any) -> EntryRow:  # noqa: ANN401 (credits and names)
    """Write down a new entry: the signed changes that its transaction makes."""
    return EntryRow(partition(account), f"{ENTRY_PREFIX}{uuid7()}", kind=kind, created_at=now, **changes)


def put_entry(row: EntryRow) -> Put:
    """Put an entry where none is: an entry is never changed."""
    return Put(row, EntryRow.pk.does_not_exist())


def to_entry(row: EntryRow) -> Entry:
    """Read an entry from its row."""
    return Entry(
        entry_id=row.sk.removeprefix(ENTRY_PREFIX),
        kind=row.kind,
        granted=int(row.granted),
        available=int(row.available),
        held=int(row.held),
        spent=int(row.spent),
        job_id=row.job_id,
        reference=row.reference,
        created_at=row.created_at,
    )


def to_balance(row: AccountRow) -> Balance:
    """Read the balance from an account's row, which may have been made before its first credits."""
    counters = (row.available, row.held, row.spent, row.granted, row.in_flight, row.jobs_total)
    return Balance(*(int(counter or 0) for counter in counters))
