"""Reports the use of the service: the spend of each day and template, and the use of accounts."""

from __future__ import annotations

from datetime import date, timedelta

from darkroom import catalog
from darkroom.domain.errors import FieldError, InvalidRequest, NotFound
from darkroom.domain.usage import DAYS_MAX, TemplateSpend
from darkroom.storage import spend

DAYS_DEFAULT = 30


def days_of_report(first: str | None, last: str | None, *, today: date) -> tuple[date, date]:
    """Read the first and the last day of a report. Without them: the last DAYS_DEFAULT days.

    Raises InvalidRequest if a text is not a date, or if there are no days or more than DAYS_MAX.
    """
    until = _parse("to", last) if last else today
    since = _parse("from", first) if first else until - timedelta(days=DAYS_DEFAULT - 1)
    if not timedelta(0) <= until - since < timedelta(days=DAYS_MAX):
        raise InvalidRequest(
            [
                FieldError(
                    "from", f"Must be at most {DAYS_MAX - 1} days before to, and not after it."
                )
            ]
        )
    return since, until


def spend_of_days(first: date, last: date) -> list[TemplateSpend]:
    """Return the spend of each day, provider and template of the catalog's providers."""
    providers = sorted({template.provider for template in catalog.templates().values()})
    found = [each for provider in providers for each in spend.spend_between(provider, first, last)]
    return sorted(found, key=lambda each: (each.day, each.provider, each.template))


def is_estimated(spent: TemplateSpend) -> bool:
    """Return whether the cost of the template is an upper bound. A removed template has no cost."""
    try:
        return catalog.last_version(spent.template).cost_usd.estimated
    except NotFound:
        return True


def _parse(field: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise InvalidRequest([FieldError(field, "Must be a date, for example 2026-11-30.")])
    return day
