"""The reference paths and payload templates of the Amazon States Language, as far as workflow.asl.yaml has them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_PATH = re.compile(r"\$(\.\w+)*")
_STRING_TO_JSON = re.compile(r"States\.StringToJson\((.+)\)")


def found(path: str, data: Any) -> Any:
    """Give what a path leads to. Raises KeyError when that is nothing, NotImplementedError for another kind of path."""
    if not _PATH.fullmatch(path):
        raise NotImplementedError(path)
    for step in path.split(".")[1:]:
        data = data[step]
    return data


def filled(template: Any, data: Any, context: Mapping[str, Any]) -> Any:
    """Fill in a payload template: keys that end in `.$` have paths, context paths or the one known intrinsic function for values."""
    if not isinstance(template, dict):
        return template
    return {
        key.removesuffix(".$"): _evaluated(value, data, context)
        if key.endswith(".$")
        else filled(value, data, context)
        for key, value in template.items()
    }


def placed(data: Any, path: str | None, result: Any) -> Any:
    """Put a result where a ResultPath has it: nowhere (null), in place of everything ($), or under one name."""
    if path is None:
        return data
    if path == "$":
        return result
    name = path.removeprefix("$.")
    if not name.isidentifier():
        raise NotImplementedError(path)
    return data | {name: result}


def _evaluated(expression: str, data: Any, context: Mapping[str, Any]) -> Any:
    if expression.startswith("$$"):
        return found(expression[1:], context)
    if converted := _STRING_TO_JSON.fullmatch(expression):
        return json.loads(found(converted[1], data))
    return found(expression, data)
