"""Prepares the events of an HTTP API for the routes, and puts the base path into the links.

A custom domain can map the API to a base path, for example `https://api.example.com/images`. The
routes have no base path. The API Gateway Developer Guide says that `rawPath` has no base path
either ("Create AWS Lambda proxy integrations for HTTP APIs"). Some users report that it has one, so
both forms are accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from darkroom.api.json_text import json_text

PROBLEM_PATH = "/problems/"
_PATH_VARIABLE = re.compile(r"\\\{\w+\\?\+?\\\}")


def prepared_event(event: Mapping[str, Any], base_path: str) -> dict[str, Any]:
    """Return the event with the path that the routes know, and without empty values.

    An empty header and an empty query parameter count as absent.
    """
    return {
        **event,
        "rawPath": route_path(event["rawPath"], event.get("routeKey", "$default"), base_path),
        "headers": _without_empty(event.get("headers")),
        "queryStringParameters": _without_empty(event.get("queryStringParameters")),
    }


def route_path(path: str, route_key: str, base_path: str) -> str:
    """Return a path without the base path.

    `route_key` decides whether the path has a base path. A path that matches the route as it is
    has none, for example `/jobs` of the route `GET /jobs` at the base path `/jobs`.
    """
    if not base_path or not path.startswith(f"{base_path}/") or _matches(path, route_key):
        return path
    return path.removeprefix(base_path)


def link_prefix(event: Mapping[str, Any], base_path: str) -> str:
    """Return what the links in the response to this event begin with.

    It is the base path, or an empty text for a request to the HTTP API's own domain, which serves
    the same routes without a base path.
    """
    context = event.get("requestContext", {})
    own_domain = f"{context.get('apiId')}.execute-api."
    return "" if context.get("domainName", "").startswith(own_domain) else base_path


def with_prefixed_links(response: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return a response whose `Location` and whose problem type begin with the prefix."""
    headers = dict(response["headers"])
    if headers.get("Location", "").startswith("/"):
        headers["Location"] = prefix + headers["Location"]
    if headers.get("Content-Type") != "application/problem+json":
        return response | {"headers": headers}
    problem = json.loads(response["body"])
    return response | {
        "headers": headers,
        "body": json_text(problem | {"type": prefix + problem["type"]}),
    }


def prefixed_document(document: str, prefix: str) -> str:
    """Return the text of the OpenAPI document with the server and the problem types at a prefix."""
    prefixed = json.loads(
        re.sub(rf'"{PROBLEM_PATH}(?=[a-z])', f'"{prefix}{PROBLEM_PATH}', document)
    )
    return json_text(prefixed | {"servers": [{"url": prefix}]})


def _matches(path: str, route_key: str) -> bool:
    _, _, route = route_key.partition(" ")
    return bool(route) and bool(re.fullmatch(_PATH_VARIABLE.sub("[^/]+", re.escape(route)), path))


def _without_empty(values: Mapping[str, str] | None) -> dict[str, str] | None:
    return {name: value for name, value in values.items() if value} if values else None
