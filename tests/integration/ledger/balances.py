"""Reads balances and entries, and delivers outputs, for the tests of the ledger."""

from __future__ import annotations

import pytest

from darkroom.domain.accounts import AccountId, Entry
from darkroom.domain.jobs import Job, Output
from darkroom.storage import jobs, ledger
from tests.aws import forget_settings
from tests.builders import ANN, stored

BOB = AccountId("web", "bob")


ANN_ON_MOBILE = AccountId("mobile", "ann")


def counters(account: AccountId = ANN) -> tuple[int, int, int, int, int, int]:
    """available, held, spent, granted, in flight, jobs in total."""
    balance = ledger.balance(account)
    return (
        balance.available,
        balance.held,
        balance.spent,
        balance.granted,
        balance.in_flight,
        balance.jobs_total,
    )


def all_entries(account: AccountId = ANN) -> list[Entry]:
    entries: list[Entry] = []
    cursor: str | None = None
    while True:
        page = ledger.entries(account, limit=100, cursor=cursor)
        entries += page.items
        if (cursor := page.next_cursor) is None:
            return entries


def changes(entry: Entry) -> tuple[str, int, int, int, int]:
    return entry.kind, entry.granted, entry.available, entry.held, entry.spent


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
    for number in range(outputs_count):
        assert jobs.record_output(stored(job), output(number))
    return stored(job)


def with_limit(monkeypatch: pytest.MonkeyPatch, jobs_in_flight_max: int) -> None:
    monkeypatch.setenv("JOBS_IN_FLIGHT_MAX", str(jobs_in_flight_max))
    forget_settings()
