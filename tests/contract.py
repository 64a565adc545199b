"""What the API says of itself, held against what it answers."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

_CHECKED_HEADERS = {
    "location",
    "etag",
    "retry-after",
    "idempotency-replayed",
    "allow",
    "cache-control",
}
_OF_NO_ROUTE = {404: "/problems/not-found", 405: "/problems/method-not-allowed"}


class NotAsDescribed(AssertionError):
    """The API answered something else than openapi.json says."""


@cache
def description() -> dict[str, Any]:
    """The document as the API makes it of its own code."""
    found: dict[str, Any] = import_module("darkroom.api.openapi").document(
        import_module("functions.api.handler").app
    )
    return found


def must_be_as_described(
    method: str, path: str, status: int, headers: Mapping[str, str], body: str
) -> None:
    """Check an answer against the description: its status, media type, document and headers. Nothing may be in it that is not described."""
    operation = _operation(method, path)
    if operation is None:
        if status in _OF_NO_ROUTE:
            _must_be_valid(
                {
                    "$ref": "#/components/schemas/Problem",
                    "properties": {"type": {"const": _OF_NO_ROUTE[status]}},
                },
                json.loads(body),
                path,
            )
        return
    response = operation["responses"].get(str(status))
    if response is None:
        raise NotAsDescribed(
            f"{method} {path} was answered {status}, and {operation['operationId']} knows of {sorted(operation['responses'])}: {body}"
        )
    given = {name.lower(): value for name, value in headers.items()}
    undescribed = (given.keys() & _CHECKED_HEADERS) - {
        name.lower() for name in response.get("headers", {})
    }
    if undescribed:
        raise NotAsDescribed(
            f"{method} {path} was answered {status} with {undescribed}, which {operation['operationId']} does not know of"
        )
    content = response.get("content")
    if not content:
        if body:
            raise NotAsDescribed(f"{method} {path} was answered {status} with a body: {body}")
        return
    media_type = given.get("content-type", "").partition(";")[0]
    if media_type not in content:
        raise NotAsDescribed(
            f"{method} {path} was answered {status} as {media_type}, and {operation['operationId']} knows of {list(content)}: {body}"
        )
    if media_type == "application/problem+json":
        _must_be_valid(
            {"$ref": "#/components/schemas/Problem"}, json.loads(body), f"{method} {path}: {status}"
        )
    if media_type.endswith("json"):
        _must_be_valid(
            content[media_type]["schema"], json.loads(body), f"{method} {path}: {status}"
        )


def _must_be_valid(schema: Mapping[str, Any], document: object, what: str) -> None:
    validator = Draft202012Validator(
        {**schema, "components": _closed_components()}, format_checker=FormatChecker()
    )
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
    if errors:
        raise NotAsDescribed(f"{what} was answered {document}: {'; '.join(errors)}")


@cache
def _closed_components() -> dict[str, Any]:
    """The schemas, taking no member that they do not name. For clients they are open, so that a new member breaks nobody."""
    components = {"schemas": copy.deepcopy(description()["components"]["schemas"])}
    for name, schema in components["schemas"].items():
        if "properties" in schema and name != "Document":
            schema["additionalProperties"] = False
    return components


def _operation(method: str, path: str) -> dict[str, Any] | None:
    # The path with the most literal segments comes first, as it does at the gateway.
    for template, operations in sorted(
        description()["paths"].items(), key=lambda item: item[0].count("{")
    ):
        if method.lower() in operations and re.fullmatch(
            re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path
        ):
            found: dict[str, Any] = operations[method.lower()]
            return found
    return None
