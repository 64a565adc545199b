"""From a template's file to a template. A broken one fails the tests and the build, not a user's request."""

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
from darkroom.domain.templates import Template

_CODE = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


class BrokenTemplate(ValueError):
    """A template file that is broken; the message names the file's key and what is wrong with it."""


def parse_template(document: Mapping[str, Any]) -> Template:
    """Read one template file. Raises BrokenTemplate naming the first key that is wrong."""
    try:
        # As JSON, because only there does strict validation make dataclasses of objects and tuples of lists.
        template = _adapter().validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        found = error.errors()[0]
        raise BrokenTemplate(f"{'.'.join(map(str, found['loc']))}: {found['msg']}") from error
    for complaint in _complaints(template):
        raise BrokenTemplate(complaint)
    return template


@cache
def _adapter() -> TypeAdapter[Template]:
    return TypeAdapter(Template)


def _complaints(template: Template) -> Iterator[str]:
    if not _CODE.fullmatch(template.code):
        yield "code: must be small letters, digits, dots and hyphens"
    for key, number in {
        "version": template.version, "expected_seconds": template.expected_seconds, "seconds_max": template.seconds_max,
        "price.credits": template.price.credits, "price.credits_per_second": template.price.credits_per_second,
    }.items():  # fmt: skip
        if number is not None and number < 1:
            yield f"{key}: must be at least 1"
    if template.expected_seconds > template.seconds_max:
        yield "expected_seconds: must not be more than seconds_max"
    # In this order: what comes later evaluates what came before.
    yield from _complaints_about_conditions(template)
    yield from _complaints_about_parameters(template)
    yield from _complaints_about_presets_and_rules(template)
    yield from _complaints_about_price(template)


def _complaints_about_parameters(template: Template) -> Iterator[str]:
    try:
        Draft202012Validator.check_schema(template.schema(prompt_characters_max=1))
    except SchemaError as error:
        yield f"parameters: {error.message}"
    named = {
        *template.required,
        *template.own_parameters,
        *template.price.names,
        *(name for rule in template.rules for name in rule.names),
    }
    named |= {name for preset in template.presets for name in (*preset.when, *preset.sets)} | {
        *filter(None, [template.outputs_parameter])
    }
    for name in sorted(named - template.parameters.keys()):
        yield f"parameters: {name} is named elsewhere but not described"
    for name, schema in template.parameters.items():
        if "default" in schema and not Draft202012Validator(schema).is_valid(schema["default"]):
            yield f"parameters.{name}: its default is not valid"
        if "default" in schema and name in template.required:
            yield f"parameters.{name}: is required, so its default is never used"
    if (
        template.outputs_parameter
        and "default" not in template.parameters[template.outputs_parameter]
    ):
        yield f"parameters.{template.outputs_parameter}: needs a default, as it counts the outputs"


def _complaints_about_conditions(template: Template) -> Iterator[str]:
    price = template.price
    conditions: list[tuple[str, Condition]] = [
        ("price", price.high_quality_when),
        ("price", price.resolution_4k_when),
        *(("price.multipliers", each.when) for each in price.multipliers),
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


def _complaints_about_presets_and_rules(template: Template) -> Iterator[str]:
    for name, value in [
        (name, value) for preset in template.presets for name, value in preset.sets.items()
    ]:
        if not Draft202012Validator(template.parameters[name]).is_valid(value):
            yield f"presets: {value} is no {name}"
    preset = {name for preset in template.presets for name in preset.sets}
    for rule in template.rules:
        if not rule.when:
            yield "rules: a rule needs a condition"
        elif rule.is_broken_by(template.defaults):
            yield f"rules: the defaults break the rule about {rule.field}"
        elif rule.names & preset:
            # The published schema says of a parameter that is left out that it is its default, which a preset would change.
            yield f"rules: the rule about {rule.field} names what a preset sets"


def _complaints_about_price(template: Template) -> Iterator[str]:
    price = template.price
    if (price.credits_per_second is None) != (price.seconds_parameter is None):
        yield "price: credits_per_second and seconds_parameter go together"
    if price.credits is not None and price.credits_per_second is not None:
        yield "price: has credits and credits_per_second; one of them is the price"
    if (
        price.seconds_parameter is not None
        and "default" not in template.parameters[price.seconds_parameter]
    ):
        yield f"parameters.{price.seconds_parameter}: needs a default, as the price depends on it"
    for each in price.multipliers:
        if not each.when or each.multiplier <= 0:
            yield "price.multipliers: each needs a condition and a multiplier above 0"
