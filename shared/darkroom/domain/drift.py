"""Drift: how a template differs from its provider's model, so that jobs fail or change.

A template may be narrower than its model: fewer inputs, fewer values, a smaller range. That is no
drift, and neither is another default for a parameter that Darkroom always sends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from operator import ge, le
from typing import Any

from jsonschema import Draft202012Validator

from darkroom.domain.conditions import Schema
from darkroom.domain.model_descriptions import ModelDescription
from darkroom.domain.templates import UTF16_LENGTH_MAX, Template

_VALUES_MAX = 200
_NO_DEFAULT = object()
# The keywords of limits: the value of a template without the keyword, and the comparison of the
# template's value with the model's.
_LIMITS = {
    "minimum": (-math.inf, ge),
    "maximum": (math.inf, le),
    "minItems": (0, ge),
    "maxItems": (math.inf, le),
    "minLength": (0, ge),
    "maxLength": (math.inf, le),
}


def differences(
    template: Template, description: ModelDescription, *, prompt_characters_max: int
) -> tuple[str, ...]:
    """Return each difference that can break the template's jobs, as a sentence.

    `prompt_characters_max` bounds the texts of users in this deployment.
    """
    if description.gone is not None:
        return (description.gone,)
    return (
        *description.warnings,
        *_differences_of_inputs(template, description, prompt_characters_max),
        *_missing_required_inputs(template, description),
        *_changed_defaults(template, description),
    )


def _differences_of_inputs(
    template: Template, description: ModelDescription, prompt_characters_max: int
) -> Iterator[str]:
    for name, schema in template.parameters.items():
        if name in template.own_parameters:
            continue
        if name not in description.inputs:
            if description.is_complete:
                yield f"{name}: the model has no such input."
            continue
        ours = _bounded(schema, name in template.image_parameters, prompt_characters_max)
        for difference in _differences_of_schemas(ours, description.inputs[name]):
            yield f"{name}: {difference}"


def _bounded(schema: Schema, is_image: bool, characters_max: int) -> Schema:  # noqa: FBT001
    """Return the schema of a parameter with the bounds of the texts that Darkroom sends."""
    if schema.get("type") != "string" or is_image:
        return schema
    lengths = (characters_max, schema.get("maxLength"), schema.get(UTF16_LENGTH_MAX))
    # The pattern of a prompt requires one character that is not white space.
    length_min = schema.get("minLength", int("pattern" in schema))
    return {
        **schema,
        "minLength": length_min,
        "maxLength": min(each for each in lengths if each is not None),
    }


def _differences_of_schemas(ours: Schema, theirs: Schema) -> Iterator[str]:
    if not _is_type_accepted(ours.get("type"), theirs.get("type")):
        yield f"the model's type is {theirs['type']}, the template sends {ours.get('type')}."
        return
    values = _values(ours)
    if values is not None:
        validator = Draft202012Validator(_without_format(theirs))
        if refused := [value for value in values if not validator.is_valid(value)]:
            yield f"the model does not accept {_listed(refused)}{_accepted(theirs)}."
        return
    if "enum" in theirs:
        yield f"the model accepts only {_listed(theirs['enum'])}."
        return
    for keyword, (unbounded, is_within) in _LIMITS.items():
        limit, own = theirs.get(keyword), ours.get(keyword, unbounded)
        if limit is not None and not is_within(own, limit):
            yield f"the model's {keyword} is {limit}, the template's is {_number(own)}."
    step = theirs.get("multipleOf")
    if step is not None and ours.get("multipleOf", 1) % step:
        yield f"the model accepts multiples of {step} only."
    if "items" in ours and "items" in theirs:
        yield from _differences_of_schemas(ours["items"], theirs["items"])


def _is_type_accepted(ours: object, theirs: object) -> bool:
    return theirs is None or ours == theirs or (ours, theirs) == ("integer", "number")


def _values(schema: Schema) -> list[Any] | None:
    """Return the values of a parameter if they are few, else None."""
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("type") == "boolean":
        return [False, True]
    if schema.get("type") == "integer" and {"minimum", "maximum"} <= schema.keys():
        values = range(schema["minimum"], schema["maximum"] + 1, schema.get("multipleOf", 1))
        return list(values) if len(values) <= _VALUES_MAX else None
    return None


def _without_format(schema: Schema) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "format"}


def _accepted(schema: Schema) -> str:
    if "enum" in schema:
        return f". It accepts {_listed(schema['enum'])}"
    limits = [f"{key} {schema[key]}" for key in ("minimum", "maximum") if key in schema]
    return f" ({', '.join(limits)})" if limits else ""


def _missing_required_inputs(template: Template, description: ModelDescription) -> Iterator[str]:
    always_sent = {*template.required, *template.defaults} - set(template.own_parameters)
    for name in description.required:
        if name not in always_sent:
            yield f"{name}: the model requires this input, the template does not."


def _changed_defaults(template: Template, description: ModelDescription) -> Iterator[str]:
    for name, expected in template.model_defaults.items():
        found = description.inputs.get(name, {}).get("default", _NO_DEFAULT)
        if name not in description.inputs or found == expected:
            continue
        now = "none" if found is _NO_DEFAULT else repr(found)
        yield f"{name}: the model's default is {now}, the template relies on {expected!r}."


def other_defaults(template: Template, description: ModelDescription) -> Mapping[str, Any]:
    """Return the model's defaults of the parameters for which the template has another one.

    Darkroom always sends these parameters, so this is no drift.
    """
    return {
        name: description.inputs[name]["default"]
        for name, value in template.defaults.items()
        if "default" in description.inputs.get(name, {})
        and description.inputs[name]["default"] != value
    }


def _listed(values: list[Any]) -> str:
    return ", ".join(map(str, values))


def _number(value: float) -> str:
    return "unbounded" if math.isinf(value) else str(value)
