"""The formats of strings in responses, and a setting of all responses.

This module evaluates annotations at once (no `from __future__ import annotations`). Otherwise
typing compiles each annotation at every cold start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, is_typeddict


@dataclass(frozen=True, slots=True)
class _Format:
    """The `format` of a string in the OpenAPI document. Pydantic calls the method."""

    name: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:  # noqa: ANN401
        return {**handler(schema), "format": self.name}


type Date = Annotated[str, _Format("date")]
type Time = Annotated[str, _Format("date-time")]
type Url = Annotated[str, _Format("uri")]


def defer_builds(module: Mapping[str, Any]) -> None:
    """Let Pydantic build the schemas of a module's responses only for the OpenAPI document.

    At run time Powertools creates a type adapter for each response of a route, but uses none of
    them.
    """
    for response in [value for value in module.values() if is_typeddict(value)]:
        response.__pydantic_config__ = {"defer_build": True}
