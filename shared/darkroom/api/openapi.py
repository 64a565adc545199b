"""What routes declare for the OpenAPI document: responses, links, problems and security.

Powertools makes the document from these declarations when `make openapi` runs. At run time nothing
reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, cast

from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

from darkroom.api.problem_types import PROBLEMS
from darkroom.api.problem_types.problem import Problem
from darkroom.domain import errors
from darkroom.domain.errors import DarkroomError

SCHEMAS = "#/components/schemas/"
HTML = "text/html"
JAVASCRIPT = "text/javascript"

PUBLIC: dict[str, Any] = {"security": []}
"""The `openapi_extensions` of a route that needs no token. Powertools drops an empty `security`."""

SIGNED_IN = (errors.NotSignedIn, errors.Forbidden)
"""The problems of every route that needs a token."""

JSON_BODY = (errors.NotJson, errors.BodyEncoded, errors.BodyTooLarge, errors.InvalidRequest)
"""The problems of every route that reads a JSON body."""

SIGNATURE = tuple(
    {
        "name": name,
        "in": "header",
        "required": True,
        "description": f"{what} (Standard Webhooks).",
        "schema": {"type": "string"},
    }
    for name, what in (
        ("webhook-id", "The id of the event. A repeated delivery has the same id"),
        ("webhook-timestamp", "The time of the delivery, in seconds since 1970"),
        ("webhook-signature", "The signatures of the id, the time and the body"),
    )
)
"""The header parameters of a signed request."""

_EVERY_ROUTE = (errors.InternalError, errors.Unavailable)
_GATEWAY_STATUSES = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The statuses that the gateway in front of the API sends for every route."""


def response(
    description: str,
    body: object = None,
    *,
    headers: Iterable[str] = (),
    links: Mapping[str, Any] | None = None,
) -> OpenAPIResponse:
    """Declare a response. `body` is a response type, a media type of text, or None for no body."""
    content: dict[str, Any] = {}
    if isinstance(body, str):
        content = {body: {"schema": {"type": "string"}}}
    elif body is not None:
        content = {"application/json": {"model": body}}
    declared: dict[str, Any] = {"description": description, "content": content}
    if headers:
        declared["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    if links:
        declared["links"] = dict(links)
    return cast("OpenAPIResponse", declared)


def links(parameter: str, pointer: str, *operations: str) -> dict[str, Any]:
    """Declare links: the value at `pointer` of the response is this parameter of the operations."""
    return {
        name: {"operationId": name, "parameters": {parameter: f"$response.body#{pointer}"}}
        for name in operations
    }


def problems(*kinds: type[DarkroomError]) -> dict[int, OpenAPIResponse]:
    """Declare the problems of a route, one response for each status.

    Adds the problems that every route has, and the gateway's own responses.
    """
    found = [PROBLEMS[kind] for kind in dict.fromkeys((*kinds, *_EVERY_ROUTE))]
    gateway = set(_GATEWAY_STATUSES)
    if errors.NotSignedIn in kinds:
        gateway.add(HTTPStatus.UNAUTHORIZED)
    if errors.BodyTooLarge in kinds:
        gateway.add(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return {
        status.value: _refusal(
            [problem for problem in found if problem.status is status],
            by_gateway=status in gateway,
        )
        for status in sorted(gateway | {problem.status for problem in found})
    }


def _refusal(problems: list[Problem], *, by_gateway: bool) -> OpenAPIResponse:
    schemas: dict[str, dict[str, Any]] = {}
    if problems:
        types = [problem.type for problem in problems]
        schemas["application/problem+json"] = {
            "$ref": f"{SCHEMAS}Problem",
            "properties": {"type": {"enum": types}},
        }
    if by_gateway:
        schemas["application/json"] = {"$ref": f"{SCHEMAS}Message"}
    # Client generators read one schema for each status, whatever the media type is.
    any_of = {"anyOf": list(schemas.values())} if len(schemas) > 1 else None
    titles = " ".join(f"{problem.title}." for problem in problems)
    declared: dict[str, Any] = {
        "description": titles or "Too many requests. The gateway limits the rate of requests.",
        "content": {name: {"schema": any_of or schema} for name, schema in schemas.items()},
    }
    names = ["Retry-After"] if any(problem.retry_after_seconds for problem in problems) else []
    if PROBLEMS[errors.BodyEncoded] in problems:
        names.append("Accept-Encoding")
    if names:
        declared["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return cast("OpenAPIResponse", declared)
