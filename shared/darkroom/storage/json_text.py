"""JSON in a job's row: encoded as UTF-8, and each value of a job stored once.

The model input repeats most parameters, for example the prompt. So `input` is stored whole, and
`parameters` has only the values that differ from `input`. `parameter_names` lists every parameter.
A row without `parameter_names` was written by release 0.1.0: its `parameters` are complete.

`input` is the whole one of the two, because release 0.1.0 sends it to the provider. So a deployment
that goes back to that release sends no incomplete request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pynamodb.attributes import JSONAttribute


class JsonTextAttribute(JSONAttribute):
    r"""A JSON attribute whose text is stored as UTF-8.

    PynamoDB escapes every character outside ASCII: an emoji of 4 bytes becomes `\ud83d\ude00`,
    which has 12.
    """

    def serialize(self, value: Any) -> str | None:  # noqa: ANN401 (PynamoDB's own signature)
        """Write a value as JSON without spaces."""
        return None if value is None else json_text(value)


def json_text(value: object) -> str:
    """Write a value as JSON that can be encoded as UTF-8.

    A text with a lone surrogate cannot be encoded. A document with such a text is escaped to ASCII.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text


def stored_parameters(
    parameters: Mapping[str, Any], model_input: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters whose values differ from the model input.

    The comparison is of the JSON texts, because 1, 1.0 and true are equal in Python.
    """
    return {
        name: value
        for name, value in parameters.items()
        if name not in model_input or json_text(value) != json_text(model_input[name])
    }


def whole_parameters(
    stored: Mapping[str, Any], names: Sequence[str] | None, model_input: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all parameters of a row, in their original order."""
    if names is None:
        return dict(stored)
    return {name: stored[name] if name in stored else model_input[name] for name in names}
