"""Parses and validates template files.

`make catalog` and the tests parse all files, so users never meet a broken template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import TypeAdapter, ValidationError

from darkroom.domain.conditions import Condition
from darkroom.domain.costs import Cost
from darkroom.domain.input_rules import ImageRules
from darkroom.domain.pricing import Price
from darkroom.domain.templates import IMAGE_RULES, UTF16_LENGTH_MAX, Template, image_schema
from darkroom.domain.uploads import SIDES

_CODE = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_FACTOR = re.compile(r"\d+(\.\d+)?x?")


class BrokenTemplate(ValueError):
    """A template file is not valid. The message names the key and the error."""


def parse_template(document: Mapping[str, Any]) -> Template:
    """Return the template in a parsed TOML file.

    Raises BrokenTemplate, which names the first wrong key.
    """
    try:
        # Strict validation converts objects to dataclasses and lists to tuples only from JSON.
        template = _adapter().validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        found = error.errors()[0]
        raise BrokenTemplate(f"{'.'.join(map(str, found['loc']))}: {found['msg']}") from error
    for message in _errors(template):
        raise BrokenTemplate(message)
    return template


@cache
def _adapter() -> TypeAdapter[Template]:
    return TypeAdapter(Template)


def _errors(template: Template) -> Iterator[str]:
    if not _CODE.fullmatch(template.code):
        yield "code: must consist of lowercase letters, digits, dots and hyphens"
    for key, number in {
        "version": template.version,
        "expected_seconds": template.expected_seconds,
        "seconds_max": template.seconds_max,
        "price.credits": template.price.credits,
        "price.credits_per_second": template.price.credits_per_second,
    }.items():
        if number is not None and number < 1:
            yield f"{key}: must be at least 1"
    if template.expected_seconds > template.seconds_max:
        yield "expected_seconds: must not be more than seconds_max"
    # The order matters: each check relies on the ones before it.
    yield from _errors_in_conditions(template)
    yield from _errors_in_image_rules(template)
    yield from _errors_in_inline_inputs(template)
    yield from _errors_in_text_lengths(template)
    yield from _errors_in_parameters(template)
    yield from _errors_in_scale(template)
    yield from _errors_in_presets_and_rules(template)
    yield from _errors_in_price(template)
    yield from _errors_in_cost(template)
    if template.checked is not None and not template.checked.source.strip():
        yield "checked.source: must say where the parameters were read"
    yield from _errors_in_moderation(template)
    for name in template.defaults.keys() & template.model_defaults.keys():
        yield f"model_defaults.{name}: the parameter has a default, so Darkroom always sends it"


def _errors_in_image_rules(template: Template) -> Iterator[str]:
    for name, schema in template.parameters.items():
        image = image_schema(schema)
        if image is None and IMAGE_RULES in schema:
            yield f"parameters.{name}.{IMAGE_RULES}: the parameter is not an image"
        if image is None or IMAGE_RULES not in image:
            continue
        try:
            rules = TypeAdapter(ImageRules).validate_json(
                json.dumps(image[IMAGE_RULES]), strict=True
            )
        except ValidationError as error:
            found = error.errors()[0]
            key = ".".join(map(str, (IMAGE_RULES, *found["loc"])))
            yield f"parameters.{name}.{key}: {found['msg']}"
            continue
        key = f"parameters.{name}.{IMAGE_RULES}"
        if rules.max_side not in SIDES:
            yield f"{key}.max_side: must be one of {', '.join(map(str, SIDES))}"
        if any(number <= 0 for number in rules.public().values()):
            yield f"{key}: each number must be above 0"
        if rules.aspect_ratio_max is not None and rules.aspect_ratio_max < 1:
            yield f"{key}.aspect_ratio_max: must be at least 1"


def _errors_in_inline_inputs(template: Template) -> Iterator[str]:
    bytes_max = template.inline_inputs_bytes_max
    if bytes_max is None:
        return
    if bytes_max < 1:
        yield "inline_inputs_bytes_max: must be at least 1"
    for name in template.image_parameters:
        # Darkroom has no copy of an image at an https URL, and never fetches it.
        if "pattern" not in (image_schema(template.parameters[name]) or {}):
            yield f"parameters.{name}: needs the pattern of an upload's id, to be sent inline"


def _errors_in_text_lengths(template: Template) -> Iterator[str]:
    for name, schema in template.parameters.items():
        length_max = schema.get(UTF16_LENGTH_MAX, 1)
        if UTF16_LENGTH_MAX in schema and schema.get("type") != "string":
            yield f"parameters.{name}.{UTF16_LENGTH_MAX}: the parameter is not a text"
        elif type(length_max) is not int or length_max < 1:
            yield f"parameters.{name}.{UTF16_LENGTH_MAX}: must be a whole number above 0"


def _errors_in_scale(template: Template) -> Iterator[str]:
    name = template.scale_parameter
    if name is None:
        return
    schema = template.parameters[name]
    has_value = "default" in schema or name in template.required
    if not ({"maximum", "enum"} & schema.keys() and has_value):
        yield (
            f"parameters.{name}: needs a maximum or an enum, and a default unless it is required, "
            "because it sets the size"
        )
    if not all(_FACTOR.fullmatch(str(value)) for value in schema.get("enum", ())):
        yield f"parameters.{name}: each value must be a factor, such as 2x"
    if len(template.image_parameters) != 1:
        yield "scale_parameter: needs exactly one image"


def _errors_in_parameters(template: Template) -> Iterator[str]:
    try:
        Draft202012Validator.check_schema(template.schema(prompt_characters_max=1))
    except SchemaError as error:
        yield f"parameters: {error.message}"
    named = {
        *template.required,
        *template.own_parameters,
        *template.price.names,
        *template.cost_usd.names,
        *(each.parameter for each in template.moderation),
        *template.names_of_rules,
    }
    named |= {name for preset in template.presets for name in (*preset.when, *preset.sets)} | {
        *filter(None, [template.outputs_parameter, template.scale_parameter])
    }
    for name in sorted(named - template.parameters.keys()):
        yield f"parameters: {name} is used but not defined"
    for name, schema in template.parameters.items():
        if "default" in schema and not Draft202012Validator(schema).is_valid(schema["default"]):
            yield f"parameters.{name}: the default does not match the schema"
        if "default" in schema and name in template.required:
            yield f"parameters.{name}: is required, so the default is never used"
    counter = template.outputs_parameter
    if counter and "default" not in template.parameters[counter]:
        yield f"parameters.{counter}: needs a default, because it is the number of outputs"


def _errors_in_conditions(template: Template) -> Iterator[str]:
    price = template.price
    conditions: list[tuple[str, Condition]] = [
        ("price", price.high_quality_when),
        ("price", price.resolution_4k_when),
        *(("price.multipliers", each.when) for each in price.multipliers),
        *(("price.additions", each.when) for each in price.additions),
        *(("cost_usd.tiers", each.when) for each in template.cost_usd.tiers),
        *(("cost_usd.multipliers", each.when) for each in template.cost_usd.multipliers),
        *(("cost_usd.additions", each.when) for each in template.cost_usd.additions),
        *(("presets", each.when) for each in template.presets),
        *(("rules", condition) for rule in template.rules for condition in (rule.when, rule.then)),
    ]
    for key, schema in [
        (key, schema) for key, condition in conditions for schema in condition.values()
    ]:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            yield f"{key}: {error.message}"


def _errors_in_presets_and_rules(template: Template) -> Iterator[str]:
    for name, value in [
        (name, value) for preset in template.presets for name, value in preset.sets.items()
    ]:
        if not Draft202012Validator(template.parameters[name]).is_valid(value):
            yield f"presets: {value} is not a valid {name}"
    preset = {name for preset in template.presets for name in preset.sets}
    for name in sorted(template.fixed.keys() & (preset | template.names_of_rules)):
        yield f"parameters.{name}: has one value only, so no preset and no rule may name it"
    for rule in template.rules:
        if not rule.when:
            yield "rules: a rule needs a condition"
        elif rule.is_broken_by(template.defaults):
            yield f"rules: the defaults break the rule about {rule.field}"
        elif rule.names & preset:
            # In the published schema a missing parameter counts as its default. A preset that sets
            # the parameter would make this wrong.
            yield f"rules: the rule about {rule.field} names a parameter that a preset sets"


def _errors_in_price(template: Template) -> Iterator[str]:
    price = template.price
    if (price.credits_per_second is None) != (price.seconds_parameter is None):
        yield "price: credits_per_second and seconds_parameter require each other"
    if price.credits is not None and price.credits_per_second is not None:
        yield "price: must not have both credits and credits_per_second"
    seconds = price.seconds_parameter
    if seconds is not None and "default" not in template.parameters[seconds]:
        yield f"parameters.{seconds}: needs a default, because the price depends on it"
    yield from _errors_in_factors("price", price, template)


def _errors_in_cost(template: Template) -> Iterator[str]:
    cost = template.cost_usd
    if not cost.source.strip():
        yield "cost_usd.source: must say where the number comes from"
    if (cost.per_output is None) == (cost.per_second is None):
        yield "cost_usd: must have either per_output or per_second"
    for key in ("per_output", "per_second"):
        usd = getattr(cost, key)
        if usd is not None and not (usd.is_finite() and usd >= 0):
            yield f"cost_usd.{key}: must be an amount of USD, at least 0"
    if (cost.per_second is None) != (cost.seconds_parameter is None):
        yield "cost_usd: per_second and seconds_parameter require each other"
    seconds = cost.seconds_parameter
    if seconds is not None and "default" not in template.parameters[seconds]:
        yield f"cost_usd.seconds_parameter: {seconds} needs a default"
    for tier in cost.tiers:
        if not tier.when or not (tier.usd.is_finite() and tier.usd >= 0):
            yield "cost_usd.tiers: each needs a condition and an amount of USD, at least 0"
    yield from _errors_in_factors("cost_usd", cost, template)


def _errors_in_factors(key: str, priced: Price | Cost, template: Template) -> Iterator[str]:
    for each in priced.multipliers:
        if not each.when or each.multiplier <= 0:
            yield f"{key}.multipliers: each needs a condition and a multiplier above 0"
    for addition in priced.additions:
        if not (addition.amount.is_finite() and addition.amount > 0):
            yield f"{key}.additions: each needs an amount above 0"
        name = addition.per_item_of
        if name is not None and template.parameters[name].get("type") != "array":
            yield f"{key}.additions: {name} must be a list"


def _errors_in_moderation(template: Template) -> Iterator[str]:
    preset = {name for each in template.presets for name in each.sets}
    for each in template.moderation:
        key, schema = f"moderation: {each.parameter}", template.parameters[each.parameter]
        if each.is_tolerance == bool(each.strictness):
            yield f"{key} needs either is_tolerance or strictness"
        elif each.is_tolerance and not {"minimum", "maximum"} <= schema.keys():
            yield f"{key} needs a minimum and a maximum"
        elif each.strictness and set(each.strictness) != set(schema.get("enum", ())):
            yield f"{key} needs the strictness of each value of its enum, and of no other"
        if each.is_fixed and (each.is_tolerance or "default" not in schema):
            yield f"{key} is fixed, so it needs strictness and a default"
        if each.parameter in preset:
            # A preset would set a value that the operator's limits exclude.
            yield f"{key} is set by a preset"
