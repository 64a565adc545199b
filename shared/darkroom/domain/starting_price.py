"""The price that a list of templates shows: that of a job with the default parameters."""

from __future__ import annotations

from itertools import product
from typing import Any

from darkroom.domain.conditions import Schema
from darkroom.domain.prices import Prices
from darkroom.domain.templates import Template


def starting_price(template: Template, prices: Prices) -> int:
    """Return the price of a job with the defaults, in credits.

    A required parameter without a default has the value with the lowest price: the cheapest choice,
    or the fewest images. The price of no template depends on another one.
    """
    chosen = [name for name in template.required if name not in template.defaults]
    values = product(*(_smallest(template.parameters[name]) for name in chosen))
    return min(_price(template, dict(zip(chosen, each, strict=True)), prices) for each in values)


def _price(template: Template, chosen: dict[str, Any], prices: Prices) -> int:
    return template.cost(template.defaults | template.preset(chosen) | chosen, prices)


def _smallest(schema: Schema) -> list[Any]:
    """Return the values that can have the lowest price: all of an enum, or the fewest images."""
    if "enum" in schema:
        return list(schema["enum"])
    if schema["type"] == "array":
        return [[""] * schema.get("minItems", 0)]
    return [""]
