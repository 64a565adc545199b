"""The use of each account by day. The audit writes one row per account, and reports read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from darkroom.domain.accounts import AccountId
from darkroom.domain.usage import DAYS_MAX, AccountUsage, DayUsage
from darkroom.storage.pagination import Page, read_page
from darkroom.storage.table import UsageRow

_PARTITION = "USAGE"
_PREFIX = "ACCOUNT#"
_RETAINED = timedelta(days=DAYS_MAX + 1)


def record_usage(account: str, days: Mapping[date, DayUsage], *, now: datetime) -> None:
    """Store the use of an account, in place of that of the audit before. `account` is its text."""
    UsageRow(
        _PARTITION,
        _PREFIX + account,
        audited_at=now,
        days={
            day.isoformat(): [usage.jobs, usage.credits, usage.micro_usd]
            for day, usage in sorted(days.items())
        },
        expires_at=int((now + _RETAINED).timestamp()),
    ).save()


def usage_page(*, limit: int, cursor: str | None) -> Page[AccountUsage]:
    """Return a page of the accounts that used the service lately, sorted by their text.

    Raises InvalidRequest if the cursor is malformed.
    """
    return read_page(
        UsageRow,
        _PARTITION,
        _PREFIX,
        _to_usage,
        limit=limit,
        cursor=cursor,
        is_key=_is_account,
        newest_first=False,
    )


def _to_usage(row: UsageRow) -> AccountUsage:
    return AccountUsage(
        row.sk.removeprefix(_PREFIX),
        row.audited_at,
        {date.fromisoformat(day): DayUsage(*counters) for day, counters in row.days.items()},
    )


def _is_account(text: str) -> bool:
    try:
        AccountId.parse(text)
    except ValueError:
        return False
    return True
