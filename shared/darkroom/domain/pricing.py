"""The price of a job, in credits.

The modules `pricing` and `costs` have the same parts: the amount of one output, multipliers of this
amount, and additions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any

from darkroom.domain.conditions import Condition, is_met
from darkroom.domain.prices import Prices

_RESOLUTION_4K_MULTIPLIER = Decimal("1.5")


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A factor for the price of one output. It applies if the condition is met."""

    when: Condition
    multiplier: Decimal

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)


@dataclass(frozen=True, slots=True)
class Addition:
    """An amount that a job costs once, whatever the number of its outputs, if the condition is met.

    The empty condition is always met. With `per_item_of`, the amount counts once for each item of
    this list of images. A missing list has no items. The unit is that of the table: credits or USD.
    """

    amount: Decimal
    when: Condition = field(default_factory=dict)
    per_item_of: str | None = None

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)

    @property
    def names(self) -> set[str]:
        """The parameters that this addition names."""
        return {*self.when, *filter(None, [self.per_item_of])}

    def total(self, parameters: Mapping[str, Any]) -> Decimal:
        """Return the amount for these checked parameters. It is 0 if the condition is not met."""
        if not is_met(self.when, parameters):
            return Decimal(0)
        if self.per_item_of is None:
            return self.amount
        return self.amount * len(parameters.get(self.per_item_of, ()))


@dataclass(frozen=True, slots=True)
class Price:
    """A template's deviations from the price of its category.

    `credits` is the price of one output. `credits_per_second` is the price of one second of an
    output. The parameter `seconds_parameter` contains the seconds.

    The parameters `quality = "high"` and `resolution = "4k"` raise the price of a template that
    names no price for these values. If the model's parameters have other names or values,
    `high_quality_when` and `resolution_4k_when` describe them. Each of the two surcharges applies
    at most once.
    """

    credits: int | None = None
    credits_per_second: int | None = None
    seconds_parameter: str | None = None
    high_quality_when: Condition = field(default_factory=dict)
    resolution_4k_when: Condition = field(default_factory=dict)
    multipliers: tuple[Multiplier, ...] = ()
    additions: tuple[Addition, ...] = ()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)

    @property
    def names(self) -> set[str]:
        """The parameters that this price names."""
        conditions = (
            self.high_quality_when,
            self.resolution_4k_when,
            *(multiplier.when for multiplier in self.multipliers),
        )
        return (
            {name for condition in conditions for name in condition}
            | {name for addition in self.additions for name in addition.names}
            | {*filter(None, [self.seconds_parameter])}
        )

    def has_price_of(self, name: str, value: object) -> bool:
        """Return whether a multiplier or an addition names this value, also a multiplier of 1."""
        conditions = [each.when for each in self.multipliers] + [
            each.when for each in self.additions
        ]
        return any(
            name in when and is_met({name: when[name]}, {name: value}) for when in conditions
        )


def cost_in_credits(
    base: int,
    parameters: Mapping[str, Any],
    *,
    outputs_count: int,
    prices: Prices,
    price: Price | None = None,
) -> int:
    """Return the price of a job, in whole credits.

    `base` is the price of one output, unless `price` has its own. The multipliers apply one after
    the other: high quality, 4k (1.5), then those of the template. The amount is rounded up after
    each. The result is the price of one output times `outputs_count`, plus the sum of the
    additions, rounded up.
    """
    price = price or Price()
    credits_each = Decimal(price.credits or base)
    if price.credits_per_second and price.seconds_parameter:
        credits_each = Decimal(price.credits_per_second) * Decimal(
            str(parameters[price.seconds_parameter])
        )
    for multiplier in _multipliers(price, parameters, prices):
        credits_each = _ceil(credits_each * multiplier)
    additions = sum((each.total(parameters) for each in price.additions), Decimal(0))
    return int(_ceil(credits_each)) * outputs_count + int(_ceil(additions))


def _multipliers(price: Price, parameters: Mapping[str, Any], prices: Prices) -> list[Decimal]:
    found = []
    if _is_implied(price, parameters, "quality", "high") or _is_named_and_met(
        price.high_quality_when, parameters
    ):
        found.append(prices.high_quality_multiplier)
    if _is_implied(price, parameters, "resolution", "4k") or _is_named_and_met(
        price.resolution_4k_when, parameters
    ):
        found.append(_RESOLUTION_4K_MULTIPLIER)
    return found + [
        multiplier.multiplier
        for multiplier in price.multipliers
        if is_met(multiplier.when, parameters)
    ]


def _is_implied(price: Price, parameters: Mapping[str, Any], name: str, value: str) -> bool:
    return parameters.get(name) == value and not price.has_price_of(name, value)


def _is_named_and_met(condition: Condition, parameters: Mapping[str, Any]) -> bool:
    # The empty condition is always met. Here it means that the template has no such condition.
    return bool(condition) and is_met(condition, parameters)


def _ceil(amount: Decimal) -> Decimal:
    return amount.to_integral_value(rounding=ROUND_CEILING)
