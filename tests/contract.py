"""Checks the API's responses against its description, openapi.json."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

ROOT = Path(__file__).parents[1]
_CHECKED_HEADERS = {
    "location",
    "etag",
    "retry-after",
    "idempotency-replayed",
    "allow",
    "cache-control",
}
_PROBLEM_OF_UNKNOWN_ROUTE = {404: "/problems/not-found", 405: "/problems/method-not-allowed"}


class NotAsDescribed(AssertionError):
    """A response of the API does not match openapi.json."""


@cache
def description() -> dict[str, Any]:
    """Read the committed document. tests/unit/test_openapi.py compares it with the code."""
    found: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text())
    return found


def must_be_as_described(
    method: str, path: str, status: int, headers: Mapping[str, str], body: str
) -> None:
    """Check the status, the media type, the document and the headers of a response.

    Raises NotAsDescribed for anything that the description does not contain.
    """
    operation = _operation(method, path)
    if operation is None:
        if status in _PROBLEM_OF_UNKNOWN_ROUTE:
            _must_be_valid(
                {
                    "$ref": "#/components/schemas/Problem",
                    "properties": {"type": {"const": _PROBLEM_OF_UNKNOWN_ROUTE[status]}},
                },
                json.loads(body),
                path,
            )
        return
    name = f"{method} {path} ({operation['operationId']}), status {status}"
    response = operation["responses"].get(str(status))
    if response is None:
        described = sorted(operation["responses"])
        raise NotAsDescribed(f"{name}: only {described} are described. Body: {body}")
    actual = {name.lower(): value for name, value in headers.items()}
    # Every response that describes no other value has this one, as for X-Content-Type-Options.
    general = {"cache-control"} if actual.get("cache-control") == "no-store" else set()
    undescribed = (
        (actual.keys() & _CHECKED_HEADERS)
        - general
        - {name.lower() for name in response.get("headers", {})}
    )
    if undescribed:
        raise NotAsDescribed(f"{name}: the headers {undescribed} are not described")
    content = response.get("content")
    if not content:
        if body:
            raise NotAsDescribed(f"{name}: no body is described. Body: {body}")
        return
    media_type = actual.get("content-type", "").partition(";")[0]
    if media_type not in content:
        raise NotAsDescribed(
            f"{name}: {media_type} is not described, only {list(content)}. Body: {body}"
        )
    if media_type == "application/problem+json":
        _must_be_valid({"$ref": "#/components/schemas/Problem"}, json.loads(body), name)
    if media_type.endswith("json"):
        _must_be_valid(content[media_type]["schema"], json.loads(body), name)


def _must_be_valid(schema: Mapping[str, Any], document: object, name: str) -> None:
    validator = Draft202012Validator(
        {**schema, "components": _closed_components()}, format_checker=FormatChecker()
    )
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
    if errors:
        raise NotAsDescribed(f"{name}: {'; '.join(errors)}. Document: {document}")


@cache
def _closed_components() -> dict[str, Any]:
    """Return the schemas without additional properties.

    openapi.json allows additional properties, because a new property must not break clients.
    """
    components = {"schemas": copy.deepcopy(description()["components"]["schemas"])}
    for name, schema in components["schemas"].items():
        if "properties" in schema and name != "Document":
            schema["additionalProperties"] = False
    return components


def _operation(method: str, path: str) -> dict[str, Any] | None:
    # The path with the most literal segments has priority, as in API Gateway.
    for template, operations in sorted(
        description()["paths"].items(), key=lambda item: item[0].count("{")
    ):
        if method.lower() in operations and re.fullmatch(
            re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path
        ):
            found: dict[str, Any] = operations[method.lower()]
            return found
    return None
