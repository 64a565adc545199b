"""The default prices. The module imports no library, because every function reads the settings."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """The default prices of this deployment, in credits for one output."""

    image: int
    video: int
    high_quality_multiplier: Decimal
