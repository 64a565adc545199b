"""All combinations of parameters that change the price or the cost of a template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import permutations, product
from typing import Any

from darkroom.domain.errors import InvalidRequest
from darkroom.domain.prices import Prices
from darkroom.domain.templates import Template
from tests.unit.catalog_samples import check, image_sample, sample_parameters

PRICES = Prices(image=10, video=50, high_quality_multiplier=Decimal("1.5"))
OMIT = object()
_SCALE = 10**9
# The values beside a limit at which a condition changes, in steps from the limit.
_BESIDE = {
    "const": (-1, 0, 1),
    "minimum": (-1, 0),
    "exclusiveMinimum": (0, 1),
    "maximum": (0, 1),
    "exclusiveMaximum": (-1, 0),
}


def combinations(template: Template, *, more: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the accepted combinations of parameters, with presets and defaults filled in.

    The price, the cost and the presets name some parameters. Every value of these, and of the
    parameters in `more`, is combined with every value of the others. Every value of each other
    parameter is tried alone. A number has the values on both sides of each condition, or its
    limits.
    """
    names = sorted(_names_of(template) | {*more} & template.parameters.keys())
    values = [values_of(template, name) for name in names]
    tried = [dict(zip(names, combination, strict=True)) for combination in product(*values)]
    tried += [
        {name: value}
        for name in template.parameters.keys() - set(names)
        for value in values_of(template, name)
        if value is not OMIT
    ]
    return [accepted for each in tried if (accepted := _accepted(template, each)) is not None]


def values_of(template: Template, name: str) -> list[Any]:
    """Return the values of a parameter. OMIT is one of them if it makes a difference."""
    schema = template.parameters[name]
    is_set_by_preset = any(name in preset.sets for preset in template.presets)
    omitted = [OMIT] if "default" not in schema or is_set_by_preset else []
    if name in template.image_parameters:
        image = image_sample(template, name)
        if schema["type"] != "array":
            return [*omitted, image]
        return [*omitted, *([image] * n for n in range(schema["minItems"], schema["maxItems"] + 1))]
    if "enum" in schema:
        return [*omitted, *schema["enum"]]
    if schema["type"] == "boolean":
        return [*omitted, True, False]
    if schema["type"] in ("integer", "number"):
        return [*omitted, *_numbers(template, name)]
    return [OMIT]


def unrounded_credits(template: Template, parameters: Mapping[str, Any]) -> Decimal:
    """Return the price before rounding: with credits of a billionth, no rounding is visible."""
    price = template.price
    scaled = replace(
        price,
        credits=price.credits and price.credits * _SCALE,
        credits_per_second=price.credits_per_second and price.credits_per_second * _SCALE,
        additions=tuple(replace(each, amount=each.amount * _SCALE) for each in price.additions),
    )
    prices = replace(PRICES, image=PRICES.image * _SCALE, video=PRICES.video * _SCALE)
    return Decimal(replace(template, price=scaled).cost(parameters, prices)) / _SCALE


@dataclass(frozen=True)
class Priced:
    """A combination of parameters with its cost, and its price before rounding."""

    parameters: Mapping[str, Any]
    micro_usd: int
    credits: Decimal


def priced(template: Template) -> list[Priced]:
    """Return every combination with its cost and its price before rounding."""
    return [
        Priced(each, template.cost_micro_usd(each), unrounded_credits(template, each))
        for each in combinations(template)
    ]


def spread(found: list[Priced]) -> Decimal:
    """Return the largest number of credits per USD divided by the smallest.

    Raises ZeroDivisionError if the provider bills nothing for a combination.
    """
    ratios = [each.credits / each.micro_usd for each in found]
    return max(ratios) / min(ratios)


def underpriced(template: Template, found: list[Priced]) -> list[str]:
    """Return each value that costs the operator more than another one, and the user no more."""
    return sorted(
        {
            f"{name}={dearer.parameters[name]}"
            for name in _names_of(template)
            for group in _groups(found, name)
            for cheaper, dearer in permutations(group, 2)
            if cheaper.micro_usd < dearer.micro_usd and cheaper.credits >= dearer.credits
        }
    )


def _groups(found: list[Priced], name: str) -> Iterable[list[Priced]]:
    """Return the combinations that differ in this parameter only."""
    groups: dict[str, list[Priced]] = {}
    for each in found:
        if name in each.parameters:
            rest = {key: value for key, value in each.parameters.items() if key != name}
            groups.setdefault(repr(sorted(rest.items())), []).append(each)
    return groups.values()


def _names_of(template: Template) -> set[str]:
    presets = {name for preset in template.presets for name in preset.when}
    implied = {"quality", "resolution", *filter(None, [template.outputs_parameter])}
    named = template.price.names | template.cost_usd.names | presets | implied
    return named & template.parameters.keys()


def _numbers(template: Template, name: str) -> list[int | float]:
    schema = template.parameters[name]
    lowest, highest = schema["minimum"], schema["maximum"]
    step = schema.get("multipleOf", 1 if schema["type"] == "integer" else 0.5)
    conditions = [each.when for each in template.price.multipliers]
    conditions += [each.when for each in template.cost_usd.multipliers]
    conditions += [each.when for each in template.cost_usd.tiers]
    conditions += [template.price.high_quality_when, template.price.resolution_4k_when]
    near = {
        limit + steps * step
        for when in conditions
        for bound, limit in when.get(name, {}).items()
        for steps in _BESIDE.get(bound, ())
    }
    return sorted({number for number in near if lowest <= number <= highest} or {lowest, highest})


def _accepted(template: Template, given: Mapping[str, Any]) -> dict[str, Any] | None:
    chosen = {name: value for name, value in given.items() if value is not OMIT}
    try:
        return check(template, sample_parameters(template, **chosen))
    except InvalidRequest:
        return None
