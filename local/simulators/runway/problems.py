"""The refusals of the API, worded as the real API words them.

Sources: docs.dev.runwayml.com, "HTTP Errors" and "API Troubleshooting Guide", and published
responses of the real API.
"""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, override

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from local.simulators.common.routing import Refusal

DOCUMENTATION = "https://docs.dev.runwayml.com/api"

type Issue = dict[str, Any]


@dataclass
class Problem(Refusal):
    """A sentence for people, and further members."""

    status: HTTPStatus
    error: str
    members: dict[str, Any] = field(default_factory=dict)

    @override
    def response(self) -> Response:
        return Response(
            json.dumps({"error": self.error, **self.members}),
            self.status,
            content_type="application/json; charset=utf-8",
        )


def unauthenticated() -> Problem:
    """Refuse a missing or a malformed key."""
    return Problem(
        HTTPStatus.UNAUTHORIZED, "The provided API key is not valid.", {"docUrl": DOCUMENTATION}
    )


def unknown_version() -> Problem:
    """Refuse a request with a missing or another API version."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "The API version that was provided in the X-Runway-Version header is not valid.",
        {"docUrl": DOCUMENTATION},
    )


def invalid(issues: list[Issue]) -> Problem:
    """Refuse a body, with its faults."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "Validation of body failed",
        {"issues": issues, "docUrl": DOCUMENTATION},
    )


def no_credits() -> Problem:
    """Refuse a task that the account cannot pay. The status is that of a wrong input."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "You do not have enough credits to run this task.",
        {"docUrl": DOCUMENTATION},
    )


def no_task() -> Problem:
    """Refuse an unknown or deleted task."""
    return Problem(HTTPStatus.NOT_FOUND, "Could not find Task")


def throttled() -> Problem:
    """Refuse because of too many tasks within 24 hours.

    Tasks above the concurrency wait as THROTTLED.
    """
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "Your daily task limit has been reached.")


def unavailable() -> Problem:
    """Refuse because of too much load, before any work."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Service unavailable")


def server_error() -> Problem:
    """Refuse because of a server error, before any work."""
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred.")


def error_response(error: HTTPException) -> Response:
    """Return werkzeug's error as a problem, with its headers (Allow of a 405)."""
    headers = [
        (name, value) for name, value in error.get_headers() if name.lower() != "content-type"
    ]
    response = Problem(
        HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR), error.description or error.name
    ).response()
    response.headers.extend(headers)
    return response
