"""The responses of the API: JSON documents, problem documents, ETags and 304."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header

from darkroom.api.json_text import json_text
from darkroom.api.problems import document_of, headers_of, problem_of
from darkroom.domain.errors import DarkroomError

KnownTags = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="The ETag of the client's copy. The response is 304 if the copy is current.",
    ),
]


def json_response(
    status: HTTPStatus, body: object, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """Build a response with a JSON document."""
    return Response(status, "application/json", json_text(body), headers=dict(headers or {}))


def etag_matches(etag: str, if_none_match: str | None) -> bool:
    """Return whether If-None-Match names this ETag.

    The comparison is the weak one of RFC 9110, section 13.1.2.
    """
    return bool(if_none_match) and bool(
        {etag.removeprefix("W/"), "*"}
        & {tag.strip().removeprefix("W/") for tag in str(if_none_match).split(",")}
    )


def not_modified(headers: Mapping[str, str]) -> Response[str]:
    """Build a 304, which has no body."""
    return Response(HTTPStatus.NOT_MODIFIED, body="", headers=dict(headers))


def cacheable_response(
    text: str,
    if_none_match: str | None,
    cache_control: str,
    *,
    content_type: str = "application/json",
) -> Response[str]:
    """Build a response with a text and its strong ETag, or a 304 if If-None-Match has the ETag."""
    headers = {
        "ETag": f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"',
        "Cache-Control": cache_control,
    }
    return (
        not_modified(headers)
        if etag_matches(headers["ETag"], if_none_match)
        else Response(HTTPStatus.OK, content_type, text, headers=dict(headers))
    )


def problem_response(error: DarkroomError) -> Response[str]:
    """Build the problem document (RFC 9457) of an error."""
    return Response(
        problem_of(error).status,
        "application/problem+json",
        json_text(document_of(error)),
        headers=dict(headers_of(error)),
    )
