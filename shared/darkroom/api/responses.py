"""What a route answers: said beside the route, where the API's document finds it, and written as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from darkroom.api.problems import document_of, headers_of, problem_of
from darkroom.domain.errors import DarkroomError


@dataclass(frozen=True, slots=True)
class Answers:
    """What a route answers. A body is the type of a view, `str` for a page, or None; a refusal is the error from which it is made."""

    bodies: Mapping[HTTPStatus, Any]
    headers: tuple[str, ...] = ()
    refusals: tuple[type[DarkroomError], ...] = ()


_SAID: dict[Callable[..., Any], Answers] = {}


def answers[Route: Callable[..., Any]](
    bodies: Mapping[HTTPStatus, Any], *, headers: tuple[str, ...] = (), refusals: tuple[type[DarkroomError], ...] = ()
) -> Callable[[Route], Route]:
    """Say what a route answers. What goes without saying is left out: who must sign in may be refused, and so may every field."""

    def say(route: Route) -> Route:
        _SAID[route] = Answers(bodies, headers, refusals)
        return route

    return say


def answers_of(route: Callable[..., Any]) -> Answers:
    """Tell what was said of a route. Raises KeyError where nothing was."""
    return _SAID[route]


def answer(status: HTTPStatus, body: object, headers: Mapping[str, str] | None = None) -> Response[str]:
    """Answer with a JSON document."""
    return Response(status, "application/json", json_text(body), headers=dict(headers or {}))


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Tell whether the caller has what this ETag names, by the weak comparison of RFC 9110 (section 13.1.2)."""
    return bool(if_none_match) and bool({etag.removeprefix("W/"), "*"} & {tag.strip().removeprefix("W/") for tag in str(if_none_match).split(",")})


def not_modified(headers: Mapping[str, str]) -> Response[str]:
    """Answer that the caller has it already."""
    return Response(HTTPStatus.NOT_MODIFIED, body="", headers=dict(headers))


def kept(text: str, if_none_match: str | None, cache_control: str) -> Response[str]:
    """Answer with a JSON text that seldom changes: with its strong ETag, or not at all to a caller who has it."""
    headers = {"ETag": f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"', "Cache-Control": cache_control}
    return not_modified(headers) if is_known(headers["ETag"], if_none_match) else Response(HTTPStatus.OK, "application/json", text, headers=dict(headers))


def refusal(error: DarkroomError) -> Response[str]:
    """Answer with the problem document of an error."""
    return Response(problem_of(error).status, "application/problem+json", json_text(document_of(error)), headers=dict(headers_of(error)))


def json_text(document: object) -> str:
    """Write JSON as it goes over the wire. Raises ValueError for a number that JSON does not have."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
