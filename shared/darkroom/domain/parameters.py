"""The check of a user's parameters against their template. It runs before credits are held."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.ids import is_id
from darkroom.domain.templates import IMAGE_FORMAT, UTF16_LENGTH_MAX, Template
from darkroom.domain.urls import is_safe_url

_SENTENCES = {
    "minimum": "The minimum is {}.",
    "maximum": "The maximum is {}.",
    "minItems": "The minimum is {} items.",
    "maxItems": "The maximum is {} items.",
    "multipleOf": "Must be a multiple of {}.",
    "type": "Must be of type {}.",
    "minLength": "Must not be empty.",
    "maxLength": "The maximum is {} characters.",
    UTF16_LENGTH_MAX: "The maximum is {} UTF-16 code units. Most emoji count as two or more.",
    "pattern": "Must not be empty.",
    "format": (
        "Must be the id of one of your uploads, or an https URL of at most 2000 ASCII characters."
    ),
}


def is_image(value: object) -> bool:
    """Return whether a text is an upload id or a safe https URL.

    Returns True for other types, because a JSON Schema `format` applies to texts only. Darkroom
    never calls the URL. The provider downloads the image.
    """
    return not isinstance(value, str) or is_id(value) or is_safe_url(value, ())


def check_parameters(
    template: Template, given: Mapping[str, Any], *, prompt_characters_max: int
) -> dict[str, Any]:
    """Return the parameters with presets and defaults filled in.

    Raises InvalidRequest, which names every wrong field. An unknown parameter is an error, because
    Replicate ignores unknown parameters and bills the prediction. The value of a fixed parameter is
    accepted, because the parameters of an earlier job contain it.
    """
    # Presets and rules are checked only for parameters that match their own schemas.
    fixed = {name: value for name, value in given.items() if name in template.fixed}
    chosen = {name: value for name, value in given.items() if name not in fixed}
    _refuse(
        [
            *_value_errors(given),
            *_fixed_errors(template, fixed),
            *_schema_errors(template, chosen, prompt_characters_max),
        ]
    )
    preset = template.preset(given)
    parameters = {
        name: _to_integer(template.parameters[name], value)
        for name, value in (template.defaults | preset | dict(given)).items()
    }
    _refuse([*_preset_errors(template, given, preset), *_rule_errors(template, parameters)])
    return parameters


def images_in(template: Template, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the images in checked parameters: upload ids and URLs, by field.

    A field is the path of the value, for example `parameters.images.0`.
    """
    found: dict[str, str] = {}
    for name in template.image_parameters:
        value = parameters.get(name)
        if isinstance(value, list):
            found.update(
                {f"parameters.{name}.{number}": str(item) for number, item in enumerate(value)}
            )
        elif value is not None:
            found[f"parameters.{name}"] = str(value)
    return found


def parameter_of(field: str) -> str:
    """Return the name of the parameter in a field that `images_in` returned."""
    return field.split(".")[1]


def _refuse(found: list[FieldError]) -> None:
    # Each field gets its first message. Type errors are first, because they cause other errors.
    errors = {error.field: error for error in reversed(found)}
    if errors:
        raise InvalidRequest(sorted(errors.values(), key=lambda error: error.field))


def _value_errors(given: Mapping[str, Any]) -> Iterator[FieldError]:
    for name, value in given.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield FieldError(f"parameters.{name}", "Must be a finite number.")


def _fixed_errors(template: Template, fixed: Mapping[str, Any]) -> Iterator[FieldError]:
    for name, value in fixed.items():
        is_valid = Draft202012Validator(template.parameters[name]).is_valid(value)
        if not is_valid or value != template.fixed[name]:
            yield FieldError(
                f"parameters.{name}", "The template sets this parameter. Omit the parameter."
            )


def _schema_errors(
    template: Template, given: Mapping[str, Any], prompt_characters_max: int
) -> Iterator[FieldError]:
    without_conditions = {
        key: value
        for key, value in template.schema(prompt_characters_max=prompt_characters_max).items()
        if key != "allOf"
    }
    errors = _validator()(without_conditions, format_checker=_formats()).iter_errors(given)
    for error in sorted(errors, key=lambda error: error.validator != "type"):
        yield from _field_errors(template, given, error)


@cache
def _validator() -> Any:  # noqa: ANN401 (jsonschema's type of validator classes is a protocol)
    return extend(Draft202012Validator, {UTF16_LENGTH_MAX: _utf16_errors})


def _utf16_errors(
    _validator: object, length_max: int, text: object, _schema: object
) -> Iterator[ValidationError]:
    if isinstance(text, str) and len(text.encode("utf-16-le", "surrogatepass")) // 2 > length_max:
        yield ValidationError("too long")


@cache
def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    checker.checkers[IMAGE_FORMAT] = (is_image, ())
    return checker


def _field_errors(
    template: Template, given: Mapping[str, Any], error: ValidationError
) -> Iterator[FieldError]:
    match error.validator:
        case "additionalProperties":
            known = ", ".join(name for name in template.parameters if name not in template.fixed)
            for name in sorted(given.keys() - template.parameters.keys()):
                yield FieldError(
                    f"parameters.{name}", f"This template has no such parameter. It has: {known}."
                )
        case "required":
            missing = [name for name in template.required if name not in given]
            # jsonschema reports each missing name in its own error, and only in the message.
            yield from (
                FieldError(f"parameters.{name}", "This parameter is required.")
                for name in missing
                if repr(name) in error.message
            )
        case _:
            path = ".".join(["parameters", *(str(step) for step in error.absolute_path)])
            yield FieldError(path, _sentence(error))


def _sentence(error: ValidationError) -> str:
    limit = error.validator_value
    match error.validator:
        case "pattern" if error.schema.get("format") == IMAGE_FORMAT:
            return "Must be the id of one of your uploads. This template accepts no links."
        case "not" if "pattern" in limit:
            return f"Must not contain {limit['pattern']}."
        case "enum":
            return f"Must be one of {', '.join(map(str, limit))}."
        case str(validator) if validator in _SENTENCES:
            return _SENTENCES[validator].format(limit)
        case _:
            return f"{error.message[:200]}."


def _preset_errors(
    template: Template, given: Mapping[str, Any], preset: Mapping[str, Any]
) -> Iterator[FieldError]:
    for name, value in preset.items():
        if name in given and given[name] != value:
            cause = " and ".join(
                f"{key}={given.get(key, template.defaults.get(key))}"
                for each in template.presets
                if name in each.sets
                for key in each.when
            )
            yield FieldError(
                f"parameters.{name}",
                f"Must be {value} with {cause}. Omit this parameter, or change the other.",
            )


def _rule_errors(template: Template, parameters: Mapping[str, Any]) -> Iterator[FieldError]:
    yield from (
        FieldError(f"parameters.{rule.field}", rule.message)
        for rule in template.rules
        if rule.is_broken_by(parameters)
    )


def _to_integer(schema: Mapping[str, Any], value: object) -> object:
    # JSON Schema accepts the number 2.0 as an integer. The providers' own checks refuse 2.0.
    return int(value) if schema.get("type") == "integer" and isinstance(value, float) else value
