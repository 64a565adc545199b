"""Accounts, entries and outputs for the tests of the ledger."""

from __future__ import annotations

from darkroom.domain.accounts import AccountId, Entry
from darkroom.domain.jobs import Job, Output
from darkroom.storage import jobs, ledger
from tests.builders import ANN, stored

BOB = AccountId("web", "bob")
ANN_ON_MOBILE = AccountId("mobile", "ann")


def all_entries(account: AccountId = ANN) -> list[Entry]:
    """Return the entries of all pages, newest first."""
    entries: list[Entry] = []
    cursor: str | None = None
    while True:
        page = ledger.entries(account, limit=100, cursor=cursor)
        entries += page.items
        cursor = page.next_cursor
        if cursor is None:
            return entries


def changes(entry: Entry) -> tuple[str, dict[str, int]]:
    """Return the kind of the entry and its changes that are not zero."""
    amounts = {
        "granted": entry.granted,
        "available": entry.available,
        "held": entry.held,
        "spent": entry.spent,
    }
    return entry.kind, {name: amount for name, amount in amounts.items() if amount}


def output(number: int) -> Output:
    return Output(
        number=number,
        key=f"media/web/ann/{number}.webp",
        content_type="image/webp",
        bytes=100,
        width=10,
        height=10,
    )


def with_outputs(job: Job, outputs_count: int) -> Job:
    """Record this number of outputs. Returns the stored job."""
    for number in range(outputs_count):
        assert jobs.record_output(stored(job), output(number))
    return stored(job)
