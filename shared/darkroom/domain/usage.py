"""The use of the service by day: what the providers bill, and what each account uses.

Days are days of UTC. USD amounts are estimates in micro-USD, from the costs of the templates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from darkroom.domain.accounts import Entry

DAYS_MAX = 92
"""The days that one report covers, and the days that the audit stores for each account."""

_RESOLUTIONS = ("settle", "release")


@dataclass(frozen=True, slots=True)
class TemplateSpend:
    """What a provider bills on one day for the predictions of one template.

    `canceled` counts the jobs that were canceled after their prediction had started. Their credits
    are refunded, but the provider may bill them.
    """

    day: date
    provider: str
    template: str
    predictions: int = 0
    micro_usd: int = 0
    canceled: int = 0
    canceled_micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class DayUsage:
    """The jobs of an account that ended on one day, the credits charged, and their cost."""

    jobs: int = 0
    credits: int = 0
    micro_usd: int = 0

    def __add__(self, other: DayUsage) -> DayUsage:
        """Add the use of another day."""
        return DayUsage(
            self.jobs + other.jobs, self.credits + other.credits, self.micro_usd + other.micro_usd
        )


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """The use of an account, by the last audit that read it."""

    account: str
    audited_at: datetime
    days: Mapping[date, DayUsage]

    def between(self, first: date, last: date) -> DayUsage:
        """Return the sum over these days, both included."""
        return sum(
            (usage for day, usage in self.days.items() if first <= day <= last), start=DayUsage()
        )


def usage_by_day(entries: Iterable[Entry], *, today: date) -> dict[date, DayUsage]:
    """Return the use of an account on each of the last DAYS_MAX days, from its ledger entries.

    An entry outlives its job, so deleted jobs count too.
    """
    first = today - timedelta(days=DAYS_MAX - 1)
    days: defaultdict[date, DayUsage] = defaultdict(DayUsage)
    for entry in entries:
        day = day_of(entry.created_at)
        if entry.kind in _RESOLUTIONS and day >= first:
            days[day] += DayUsage(1, entry.spent, entry.cost_micro_usd)
    return dict(days)


def day_of(at: datetime) -> date:
    """Return the day of a time, in UTC."""
    return at.astimezone(UTC).date()


def end_of_day(at: datetime) -> datetime:
    """Return the midnight (UTC) that ends the day of a time."""
    return datetime.combine(day_of(at) + timedelta(days=1), time(tzinfo=UTC))
