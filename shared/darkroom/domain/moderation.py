"""Limits of this deployment on how far users may relax the moderation of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Strictness(StrEnum):
    """How strict a value of a moderation parameter is, from the most permissive."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """The position in the order of strictness."""
        return list(Strictness).index(self)


@dataclass(frozen=True, slots=True)
class ModerationLimits:
    """The most permissive settings that the operator allows.

    `tolerance_max` limits parameters that are numbers. `strictness_min` limits parameters that are
    words.
    """

    tolerance_max: int
    strictness_min: Strictness


@dataclass(frozen=True, slots=True)
class Moderation:
    """A parameter that relaxes the model's moderation.

    A number with `is_tolerance` is more permissive the larger it is. For an enum, `strictness` has
    the strictness of each value. With `is_fixed`, users cannot choose: the default is sent, or the
    most permissive value that the limits allow.
    """

    parameter: str
    is_tolerance: bool = False
    strictness: Mapping[str, Strictness] = field(default_factory=dict)
    is_fixed: bool = False

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)

    def limited(self, schema: Mapping[str, Any], limits: ModerationLimits) -> dict[str, Any]:
        """Return the parameter's JSON Schema without the values that the limits exclude.

        The strictest value stays, because the model has no stricter one. A default that is too
        permissive becomes the most permissive value that is allowed.
        """
        if self.is_tolerance:
            maximum = max(min(schema["maximum"], limits.tolerance_max), schema["minimum"])
            changed = {"maximum": maximum}
            if "default" in schema:
                changed["default"] = min(schema["default"], maximum)
            return {**schema, **changed}
        strictest = max(level.rank for level in self.strictness.values())
        least = min(limits.strictness_min.rank, strictest)
        allowed = [value for value in schema["enum"] if self.strictness[value].rank >= least]
        limited = {**schema, "enum": allowed}
        if "default" in schema and schema["default"] not in allowed:
            limited["default"] = min(allowed, key=lambda value: self.strictness[value].rank)
        return limited
