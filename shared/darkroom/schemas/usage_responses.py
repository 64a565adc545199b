"""The bodies of responses about costs and usage, for administrators, as types.

This module evaluates annotations at once (no `from __future__ import annotations`). Otherwise
typing compiles each annotation at every cold start.
"""

from typing import Any, TypedDict

from darkroom.schemas.formats import Date, Time, defer_builds


class CostMultiplierResponse(TypedDict):
    """A factor of a cost. It applies if each parameter in `when` matches its JSON Schema."""

    when: dict[str, Any]
    multiplier: float


class CostTierResponse(TypedDict):
    """A price in USD that replaces `per_output` or `per_second`, if all of `when` matches."""

    when: dict[str, Any]
    usd: float


class CostAdditionResponse(TypedDict):
    """An amount in USD that is billed once for each prediction, if all of `when` matches.

    If `per_item_of` is not null, the amount is billed for each item of this list.
    """

    when: dict[str, Any]
    amount: float
    per_item_of: str | None


class CostResponse(TypedDict):
    """What the provider bills for a job, in USD.

    Either `per_output` or `per_second` is a number. The parameter `seconds_parameter` has the
    seconds. The first of the `tiers` that matches replaces this number, `multipliers` multiply it,
    and `additions` are added. `by_default` is the cost of a job with the default parameters.
    `estimated` is true if the provider does not publish every price: then the cost is an upper
    bound.
    """

    per_output: float | None
    per_second: float | None
    seconds_parameter: str | None
    tiers: list[CostTierResponse]
    multipliers: list[CostMultiplierResponse]
    additions: list[CostAdditionResponse]
    by_default: float
    estimated: bool
    source: str
    checked_on: Date


class CheckedResponse(TypedDict):
    """The source from which a template's parameters were read, and the date of this source."""

    source: str
    checked_on: Date


class TemplateSpendResponse(TypedDict):
    """What a provider bills on one day (UTC) for one template, in estimated USD.

    `canceled` counts the jobs that were canceled after their prediction had started, and
    `canceled_usd` is the cost of their predictions. `usd` includes it. `estimated` is true if the
    cost of the template is an upper bound.
    """

    day: Date
    provider: str
    template: str
    predictions: int
    usd: float
    canceled: int
    canceled_usd: float
    estimated: bool


class AccountUsageResponse(TypedDict):
    """The jobs of an account that ended in the time of the report, their credits and their cost.

    The numbers are those of the last audit of the account, at `audited_at`.
    """

    account: str
    jobs: int
    credits: int
    usd: float
    audited_at: Time


class UsageResponse(TypedDict):
    """The use of the service from the day `from` to the day `to`, both included.

    `days` is empty on the pages after the first. `next_cursor` is null on the last page.
    """

    days: list[TemplateSpendResponse]
    accounts: list[AccountUsageResponse]
    next_cursor: str | None


defer_builds(vars())
