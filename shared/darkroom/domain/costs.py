"""What a provider bills for a job: an estimate in USD, from the template of the job.

A cost is an integer of micro-USD: 1,000,000 are one USD. So sums are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Any

from darkroom.domain.conditions import Condition, is_met
from darkroom.domain.pricing import Addition, Multiplier

MICRO_USD_PER_USD = 1_000_000


@dataclass(frozen=True, slots=True)
class Tier:
    """The USD of one output, or of one second, if the condition is met."""

    when: Condition
    usd: Decimal

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the provider bills for a prediction, and where the numbers come from.

    `per_output` is in USD for one output. `per_second` is in USD for one second of an output, and
    the parameter `seconds_parameter` has the seconds. The first of the `tiers` whose condition is
    met replaces this number. The `multipliers` multiply it, and the `additions` are billed once for
    each prediction. `checked_on` is the date of the source. `estimated` means that the provider
    publishes no price for the model, or not for all parameters. Then the number is an upper bound,
    and `source` says how it is computed.
    """

    source: str
    checked_on: date
    per_output: Decimal | None = None
    per_second: Decimal | None = None
    seconds_parameter: str | None = None
    estimated: bool = False
    tiers: tuple[Tier, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()
    additions: tuple[Addition, ...] = ()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)

    @property
    def names(self) -> set[str]:
        """The parameters that this cost names."""
        return (
            {name for tier in self.tiers for name in tier.when}
            | {name for multiplier in self.multipliers for name in multiplier.when}
            | {name for addition in self.additions for name in addition.names}
            | {*filter(None, [self.seconds_parameter])}
        )

    def micro_usd(self, parameters: Mapping[str, Any], *, outputs_count: int) -> int:
        """Return the cost of a job with these checked parameters, in micro-USD.

        Every multiplier whose condition is met applies. The result is rounded up once.
        """
        usd = self._unit(parameters)
        if self.seconds_parameter:
            usd *= Decimal(str(parameters[self.seconds_parameter]))
        for each in self.multipliers:
            if is_met(each.when, parameters):
                usd *= each.multiplier
        additions = sum((each.total(parameters) for each in self.additions), Decimal(0))
        micro_usd = (usd * outputs_count + additions) * MICRO_USD_PER_USD
        return int(micro_usd.to_integral_value(rounding=ROUND_CEILING))

    def _unit(self, parameters: Mapping[str, Any]) -> Decimal:
        for tier in self.tiers:
            if is_met(tier.when, parameters):
                return tier.usd
        return self.per_output or self.per_second or Decimal(0)


def usd_of(micro_usd: int) -> float:
    """Return an amount of micro-USD in USD, for responses and metrics."""
    return micro_usd / MICRO_USD_PER_USD


def micro_usd_of(usd: Decimal) -> int:
    """Return an amount of USD in micro-USD, rounded down."""
    return int(usd * MICRO_USD_PER_USD)
