"""What a job costs, in credits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any

from darkroom.domain.conditions import Condition, is_met

_RESOLUTION_4K_MULTIPLIER = Decimal("1.5")


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of this deployment, in credits for one output."""

    image: int
    video: int
    high_quality_multiplier: Decimal


@dataclass(frozen=True, slots=True)
class Multiplier:
    """What the price of one output is multiplied by when the condition is met."""

    when: Condition
    multiplier: Decimal

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (not a field of the dataclass; read by whoever parses the file)


@dataclass(frozen=True, slots=True)
class Price:
    """How a template is priced where it differs from its category's price.

    `credits` is for one output, `credits_per_second` for one second of it, as long as the parameter `seconds_parameter` says. Quality
    `high` and resolution `4k` cost more wherever a template has them; `high_quality_when` and `resolution_4k_when` name what is the same
    in the model's own words. Each of the two counts once.
    """

    credits: int | None = None
    credits_per_second: int | None = None
    seconds_parameter: str | None = None
    high_quality_when: Condition = field(default_factory=dict)
    resolution_4k_when: Condition = field(default_factory=dict)
    multipliers: tuple[Multiplier, ...] = ()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (as above)

    @property
    def names(self) -> set[str]:
        """Every parameter that the price depends on by name."""
        conditions = (
            self.high_quality_when,
            self.resolution_4k_when,
            *(multiplier.when for multiplier in self.multipliers),
        )
        return {name for condition in conditions for name in condition} | (
            {self.seconds_parameter} if self.seconds_parameter else set()
        )


def cost_in_credits(
    base: int,
    parameters: Mapping[str, Any],
    *,
    outputs_count: int,
    prices: Prices,
    price: Price | None = None,
) -> int:
    """Price a job, in whole credits.

    One output costs ceil(ceil(base × multiplier for high quality) × 1.5 for 4k), and so on for the template's own multipliers; a job costs
    so many times that. `base` is the price of one output, unless the template's price names another.
    """
    price = price or Price()
    credits_each = Decimal(price.credits or base)
    if price.credits_per_second and price.seconds_parameter:
        credits_each = Decimal(price.credits_per_second) * Decimal(
            str(parameters[price.seconds_parameter])
        )
    for multiplier in _multipliers(price, parameters, prices):
        credits_each = _ceil(credits_each * multiplier)
    return int(_ceil(credits_each)) * outputs_count


def _multipliers(price: Price, parameters: Mapping[str, Any], prices: Prices) -> list[Decimal]:
    found = []
    if parameters.get("quality") == "high" or _is_named_and_met(
        price.high_quality_when, parameters
    ):
        found.append(prices.high_quality_multiplier)
    if parameters.get("resolution") == "4k" or _is_named_and_met(
        price.resolution_4k_when, parameters
    ):
        found.append(_RESOLUTION_4K_MULTIPLIER)
    return found + [
        multiplier.multiplier
        for multiplier in price.multipliers
        if is_met(multiplier.when, parameters)
    ]


def _is_named_and_met(condition: Condition, parameters: Mapping[str, Any]) -> bool:
    # A condition that names nothing is met by everything.
    return bool(condition) and is_met(condition, parameters)


def _ceil(amount: Decimal) -> Decimal:
    return amount.to_integral_value(rounding=ROUND_CEILING)
