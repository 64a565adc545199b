"""JSON Schema errors with the texts of the real API, which are those of gojsonschema for Go."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

type Schema = Mapping[str, Any]

WHOLE_DOCUMENT = "(root)"

_TYPE_AND_DESCRIPTION = {
    "type": ("invalid_type", "Invalid type. Expected: {limit}, given: {given}"),
    "enum": ("enum", "{field} must be one of the following: {limit}"),
    "minimum": ("number_gte", "Must be greater than or equal to {limit}"),
    "maximum": ("number_lte", "Must be less than or equal to {limit}"),
    "minLength": ("string_gte", "String length must be greater than or equal to {limit}"),
    "maxLength": ("string_lte", "String length must be less than or equal to {limit}"),
    "minItems": ("array_min_items", "Array must have at least {limit} items"),
    "maxItems": ("array_max_items", "Array must have at most {limit} items"),
    "multipleOf": ("multiple_of", "Must be a multiple of {limit}"),
}
_JSON_TYPE_NAMES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


@dataclass(frozen=True)
class InvalidField:
    """An entry of `invalid_fields`."""

    type: str
    field: str
    description: str


def invalid_fields(
    value: object, schema: Schema, *, within: str = WHOLE_DOCUMENT
) -> list[InvalidField]:
    """Return the errors of `value` against `schema`.

    `within` is the name of the field that has the value.
    """
    found = (
        each
        for error in Draft202012Validator(schema).iter_errors(value)
        for each in _invalid_fields(error, within)
    )
    # jsonschema reports one error for each missing property, and `_invalid_fields` yields all
    # missing properties for each error. So drop the duplicates.
    return list(dict.fromkeys(found))


def _invalid_fields(error: ValidationError, within: str) -> Iterator[InvalidField]:
    path = [str(step) for step in error.absolute_path]
    field = ".".join(path if within == WHOLE_DOCUMENT else [within, *path]) or WHOLE_DOCUMENT
    if error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield InvalidField("required", field, f"{name} is required")
    elif error.validator == "additionalProperties":
        for name in error.instance:
            if name not in error.schema["properties"]:
                yield InvalidField(
                    "additional_property_not_allowed",
                    field,
                    f"Additional property {name} is not allowed",
                )
    else:
        kind, description = _TYPE_AND_DESCRIPTION[error.validator]
        given = _JSON_TYPE_NAMES[type(error.instance)]
        yield InvalidField(
            kind,
            field,
            description.format(field=field, limit=_limit_text(error.validator_value), given=given),
        )


def _limit_text(limit: object) -> str:
    if isinstance(limit, str):
        return limit
    return ", ".join(json.dumps(each) for each in limit) if isinstance(limit, list) else str(limit)
