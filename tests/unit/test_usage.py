"""The use of an account by day, and the days of a report."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from darkroom.domain.accounts import Entry
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.usage import (
    DAYS_MAX,
    AccountUsage,
    DayUsage,
    day_of,
    end_of_day,
    usage_by_day,
)
from darkroom.services.report_usage import days_of_report

TODAY = date(2026, 11, 30)
NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def entry(kind: str, *, at: datetime = NOON, spent: int = 0, cost_micro_usd: int = 0) -> Entry:
    return Entry("e", kind, 0, 0, 0, spent, "j", None, at, cost_micro_usd)


def test_only_entries_that_end_jobs_count() -> None:
    entries = [
        entry("grant"),
        entry("hold"),
        entry("settle", spent=10, cost_micro_usd=3_000),
        entry("release", cost_micro_usd=500),
        entry("correction"),
    ]

    assert usage_by_day(entries, today=TODAY) == {TODAY: DayUsage(2, 10, 3_500)}


def test_the_first_and_the_last_stored_day() -> None:
    first = NOON - timedelta(days=DAYS_MAX - 1)
    entries = [entry("settle", at=at) for at in (NOON, first, first - timedelta(days=1))]

    assert set(usage_by_day(entries, today=TODAY)) == {TODAY, first.date()}


def test_a_report_adds_the_days_between_its_first_and_last_day() -> None:
    days = {TODAY - timedelta(days=ago): DayUsage(1, 10, 100) for ago in range(4)}
    usage = AccountUsage("web/ann", NOON, days)

    assert usage.between(TODAY, TODAY) == DayUsage(1, 10, 100)
    assert usage.between(TODAY - timedelta(days=2), TODAY - timedelta(days=1)) == DayUsage(
        2, 20, 200
    )
    assert usage.between(date(2027, 1, 1), date(2027, 1, 2)) == DayUsage()


def test_days_are_those_of_utc() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=timezone(timedelta(hours=-1)))

    assert day_of(late) == date(2026, 12, 1)
    assert end_of_day(late) == datetime(2026, 12, 2, tzinfo=UTC)
    assert end_of_day(datetime(2026, 11, 30, tzinfo=UTC)) == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, (date(2026, 11, 1), TODAY)),
        (None, "2026-10-30", (date(2026, 10, 1), date(2026, 10, 30))),
        ("2026-11-30", None, (TODAY, TODAY)),
        ("2026-08-31", "2026-11-30", (date(2026, 8, 31), TODAY)),
    ],
)
def test_the_days_of_a_report(
    first: str | None, last: str | None, expected: tuple[date, date]
) -> None:
    assert days_of_report(first, last, today=TODAY) == expected


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        ("2026-08-30", "2026-11-30", "from"),
        ("2026-12-01", None, "from"),
        ("2026-11-31", None, "from"),
        ("20261130", None, "from"),
        ("2026-W49-1", None, "from"),
        (None, "today", "to"),
        (None, "1700000000", "to"),
    ],
)
def test_wrong_days_are_refused_by_their_field(
    first: str | None, last: str | None, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        days_of_report(first, last, today=TODAY)

    assert [error.field for error in refused.value.errors] == [field]
