"""Paths and payload templates of the Amazon States Language, as workflow.asl.yaml uses them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_PATH = re.compile(r"\$(\.\w+)*")
_STRING_TO_JSON = re.compile(r"States\.StringToJson\((.+)\)")


def value_at(path: str, data: Any) -> Any:
    """Return the value at a path.

    Raises KeyError if there is none, and NotImplementedError for an unknown kind of path.
    """
    if not _PATH.fullmatch(path):
        raise NotImplementedError(path)
    for step in path.split(".")[1:]:
        data = data[step]
    return data


def fill_template(template: Any, data: Any, context: Mapping[str, Any]) -> Any:
    """Fill in a payload template.

    Keys that end in `.$` have a path, a context path or `States.StringToJson` as their value.
    """
    if not isinstance(template, dict):
        return template
    return {
        key.removesuffix(".$"): _evaluate(value, data, context)
        if key.endswith(".$")
        else fill_template(value, data, context)
        for key, value in template.items()
    }


def apply_result_path(data: Any, path: str | None, result: Any) -> Any:
    """Store a result at a ResultPath: null drops it, $ replaces the input, $.name sets a field."""
    if path is None:
        return data
    if path == "$":
        return result
    name = path.removeprefix("$.")
    if not name.isidentifier():
        raise NotImplementedError(path)
    return data | {name: result}


def _evaluate(expression: str, data: Any, context: Mapping[str, Any]) -> Any:
    if expression.startswith("$$"):
        return value_at(expression[1:], context)
    if converted := _STRING_TO_JSON.fullmatch(expression):
        return json.loads(value_at(converted[1], data))
    return value_at(expression, data)
