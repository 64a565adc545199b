"""The responses of the API: documented beside each route for openapi.json, and written as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header

from darkroom.api.problems import document_of, headers_of, problem_of
from darkroom.domain.errors import DarkroomError

KnownTags = Annotated[str | None, Header(alias="If-None-Match")]


@dataclass(frozen=True, slots=True)
class RouteResponses:
    """The responses of a route, as openapi.json documents them.

    A body is a response type, `str` for an HTML page, or None. `problems` are the errors that the route raises.
    """

    bodies: Mapping[HTTPStatus, Any]
    headers: tuple[str, ...] = ()
    problems: tuple[type[DarkroomError], ...] = ()
    is_public: bool = False


_DOCUMENTED: dict[Callable[..., Any], RouteResponses] = {}


def returns[Route: Callable[..., Any]](
    bodies: Mapping[HTTPStatus, Any],
    *,
    headers: tuple[str, ...] = (),
    problems: tuple[type[DarkroomError], ...] = (),
    is_public: bool = False,
) -> Callable[[Route], Route]:
    """Document the responses of a route. Problems that its token, its body or its parameters cause are added by themselves.

    A public route takes no token. Powertools' own way to say so (`security=[]`) does not survive `include_router`.
    """

    def register(route: Route) -> Route:
        _DOCUMENTED[route] = RouteResponses(bodies, headers, problems, is_public)
        return route

    return register


def responses_of(route: Callable[..., Any]) -> RouteResponses:
    """Return the documented responses of a route. Raises KeyError when it has none."""
    return _DOCUMENTED[route]


def json_response(
    status: HTTPStatus, body: object, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """Build a response with a JSON document."""
    return Response(status, "application/json", json_text(body), headers=dict(headers or {}))


def etag_matches(etag: str, if_none_match: str | None) -> bool:
    """Return whether If-None-Match names this ETag, by the weak comparison of RFC 9110 (section 13.1.2)."""
    return bool(if_none_match) and bool(
        {etag.removeprefix("W/"), "*"}
        & {tag.strip().removeprefix("W/") for tag in str(if_none_match).split(",")}
    )


def not_modified(headers: Mapping[str, str]) -> Response[str]:
    """Build a 304, which has no body."""
    return Response(HTTPStatus.NOT_MODIFIED, body="", headers=dict(headers))


def cacheable_json(text: str, if_none_match: str | None, cache_control: str) -> Response[str]:
    """Build a response with a JSON text and its strong ETag, or a 304 when If-None-Match names it."""
    headers = {
        "ETag": f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"',
        "Cache-Control": cache_control,
    }
    return (
        not_modified(headers)
        if etag_matches(headers["ETag"], if_none_match)
        else Response(HTTPStatus.OK, "application/json", text, headers=dict(headers))
    )


def problem_response(error: DarkroomError) -> Response[str]:
    """Build the problem document (RFC 9457) of an error."""
    return Response(
        problem_of(error).status,
        "application/problem+json",
        json_text(document_of(error)),
        headers=dict(headers_of(error)),
    )


def json_text(document: object) -> str:
    """Write JSON as it goes over the wire. Raises ValueError for a number that JSON does not have."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
