"""What a job costs, in credits."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

_RESOLUTION_4K_MULTIPLIER = Decimal("1.5")


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of this deployment, in credits for one output."""

    image: int
    video: int
    high_quality_multiplier: Decimal


def cost_in_credits(base: int, parameters: Mapping[str, Any], *, outputs_count: int, prices: Prices) -> int:
    """Price a job: ceil(ceil(base × multiplier for high quality) × 1.5 for 4k), times the number of outputs."""
    credits_each = Decimal(base)
    if parameters.get("quality") == "high":
        credits_each = _ceil(credits_each * prices.high_quality_multiplier)
    if parameters.get("resolution") == "4k":
        credits_each = _ceil(credits_each * _RESOLUTION_4K_MULTIPLIER)
    return int(credits_each) * outputs_count


def _ceil(amount: Decimal) -> Decimal:
    return amount.to_integral_value(rounding=ROUND_CEILING)
