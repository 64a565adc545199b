"""Refuses requests that no route handles: an unknown path, or a method that the path does not have.

The function unknown_path serves them, so that they never occupy the functions of the API. This
module imports no AWS SDK and no validation, because the function is small and starts often.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from darkroom.api.events import link_prefix, route_path, with_prefixed_links
from darkroom.api.json_text import json_text
from darkroom.api.problems import document_of, headers_of, problem_of
from darkroom.domain.errors import MethodNotAllowed, NotFound
from darkroom.observability import Metric, count, logger
from darkroom.settings import settings

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_METHODS = {"delete", "get", "head", "options", "patch", "post", "put"}


def refuse(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a 404 for an unknown path, and a 405 for a method that the path does not support.

    `event` is a request in the payload format 2.0 of an HTTP API. A preflight (OPTIONS) of a known
    path gets a 204: the HTTP API adds the CORS headers to a 2xx.
    """
    base_path, method = settings().base_path, event["requestContext"]["http"]["method"]
    path = route_path(event["rawPath"], "$default", base_path)
    methods = methods_of(path)
    allowed = ", ".join(methods)
    if methods and method == "OPTIONS":
        return _response(HTTPStatus.NO_CONTENT, {"Allow": allowed}, "")
    error = MethodNotAllowed(path, allowed) if methods else NotFound(f"path: {path}")
    problem = problem_of(error)
    # The route has no authorizer, so the request has no account.
    logger.info(
        "request refused",
        problem=problem.slug,
        status=problem.status.value,
        account=None,
        method=method,
        route=event.get("routeKey"),
        request_id=event["requestContext"].get("requestId"),
    )
    count(Metric.REQUESTS_REFUSED)
    headers = {"Content-Type": "application/problem+json", **headers_of(error)}
    response = _response(problem.status, headers, json_text(document_of(error)))
    prefix = link_prefix(event, base_path)
    return with_prefixed_links(response, prefix) if prefix else response


def methods_of(path: str) -> list[str]:
    """Return the methods that a path supports, in alphabetical order. Empty: unknown path."""
    return sorted({method for rule, method in _routes() if rule.match(path)})


@cache
def _routes() -> list[tuple[re.Pattern[str], str]]:
    """Return the pattern and the method of each route in the OpenAPI document."""
    document = json.loads((Path(__file__).parent / "openapi.json").read_bytes())
    return [
        (_pattern(path), method.upper())
        for path, operations in document["paths"].items()
        for method in operations.keys() & _METHODS
    ]


def _pattern(path: str) -> re.Pattern[str]:
    """Compile a path. A path variable matches every character except a slash."""
    literals = re.split(r"\{\w+\}", path)
    return re.compile("[^/]+".join(re.escape(literal) for literal in literals) + r"\Z")


def _response(status: HTTPStatus, headers: Mapping[str, str], body: str) -> dict[str, Any]:
    return {
        "statusCode": status.value,
        "headers": {**_HEADERS, **headers},
        "body": body,
        "cookies": [],
        "isBase64Encoded": False,
    }
