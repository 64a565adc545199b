"""The daily spend: one row for each provider and day (UTC), with counters for each template.

Each prediction adds to the row in one call, after its request and outside every transaction. The
row takes 1,000 small writes per second at most, and one provider has at most 1,000 slots. So one
row is not hot, and the answer of the call has the day's total.

An addition is not idempotent: if its response is lost, the retry of the call may count twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from darkroom.domain.usage import TemplateSpend, day_of
from darkroom.storage.table import SpendRow
from darkroom.storage.transactions import update

_RETAINED = timedelta(days=400)
# The counters of a template are attributes named `<counter>#<template>`.
_COUNTERS = ("predictions", "micro_usd", "canceled", "canceled_micro_usd")


def add_prediction(provider: str, template: str, micro_usd: int, *, now: datetime) -> int:
    """Add one prediction to the day. Return the provider's total of the day, in micro-USD."""
    row = _row(provider, now)
    counters = {"predictions": 1, "micro_usd": micro_usd}
    update(row, [SpendRow.micro_usd.add(micro_usd), *_additions(template, counters, now)])
    return int(row.micro_usd)


def add_canceled(provider: str, template: str, micro_usd: int, *, now: datetime) -> None:
    """Add one job that was canceled after its prediction had started."""
    counters = {"canceled": 1, "canceled_micro_usd": micro_usd}
    update(_row(provider, now), _additions(template, counters, now))


def spend_between(provider: str, first: date, last: date) -> Iterator[TemplateSpend]:
    """Yield the spend of each day and template, oldest day first. Both days are included."""
    found = SpendRow.query(
        _partition(provider), SpendRow.sk.between(first.isoformat(), last.isoformat())
    )
    for page in found.page_iter:
        for item in page["Items"]:
            yield from _to_spend(provider, item)


def _to_spend(provider: str, item: dict[str, Any]) -> Iterator[TemplateSpend]:
    templates = {name.partition("#")[2] for name in item if "#" in name}
    for template in sorted(templates):
        counters = {
            counter: int(item.get(f"{counter}#{template}", {"N": "0"})["N"])
            for counter in _COUNTERS
        }
        yield TemplateSpend(date.fromisoformat(item["sk"]["S"]), provider, template, **counters)


def _additions(template: str, counters: dict[str, int], now: datetime) -> list[Action]:
    return [
        *(Path([f"{counter}#{template}"]).add(number) for counter, number in counters.items()),
        SpendRow.expires_at.set(int((now + _RETAINED).timestamp())),
    ]


def _row(provider: str, now: datetime) -> SpendRow:
    return SpendRow(_partition(provider), day_of(now).isoformat())


def _partition(provider: str) -> str:
    return f"SPEND#{provider}"
