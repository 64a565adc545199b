"""Writes the repair of an account. `domain/repair.py` decides what is repaired."""

from __future__ import annotations

from datetime import datetime

from pynamodb.attributes import NumberAttribute
from pynamodb.expressions.condition import Condition
from uuid6 import uuid7

from darkroom.domain.accounts import AccountId
from darkroom.domain.repair import Repair
from darkroom.storage.job_rows import partition
from darkroom.storage.table import ENTRY_PREFIX, AccountRow, EntryRow, GrantRow, Row, grant_sort_key
from darkroom.storage.transactions import Put, Refused, Update, transact


def write(repair: Repair, *, now: datetime) -> bool:
    """Set the counters that the repair changes, and add an entry that records the repair.

    The entry is a correction without amounts, so the sums of the entries stay as they are. One
    transaction writes everything. Returns False, and writes nothing, if the account has changed
    since it was read, or if this repair was made before.
    """
    pk = partition(AccountId.parse(repair.account))
    entry = EntryRow(
        pk,
        f"{ENTRY_PREFIX}{uuid7()}",
        kind="correction",
        reference=repair.reference,
        reason=repair.reason,
        created_at=now,
    )
    marker = GrantRow(pk, grant_sort_key(repair.reference), entry_sk=entry.sk, amount=0)
    is_unchanged = _equals(AccountRow.revision, repair.revision)
    actions = [AccountRow.revision.add(1)]
    for name, (found, repaired) in repair.changes.items():
        counter = getattr(AccountRow, name)
        is_unchanged &= _equals(counter, found)
        actions.append(counter.set(repaired))
    try:
        transact(
            {
                "account": Update(AccountRow(pk), actions, is_unchanged),
                "entry": Put(entry, Row.pk.does_not_exist()),
                "marker": Put(marker, Row.pk.does_not_exist()),
            }
        )
    except Refused:
        return False
    return True


def _equals(counter: NumberAttribute, value: int) -> Condition:
    """Return the condition that a counter has this value. A missing counter counts as zero."""
    is_equal = counter == value
    return is_equal if value else is_equal | counter.does_not_exist()
