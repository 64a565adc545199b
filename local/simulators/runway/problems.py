"""The error responses of the API, with the texts of the real API.

Sources: docs.dev.runwayml.com, "HTTP Errors" and "API Troubleshooting Guide", and published
responses of the real API: issues 23, 81 and 139 of github.com/runwayml/sdk-python, and issue 28 of
github.com/runwayml/sdk-node. No source has the texts of 500, 502, 503 and 504, and of a 429 that is
not about the daily limit.
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
    """An error response. The body has `error`, a sentence for people, and `members`."""

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
    """401: the key is missing or malformed."""
    return Problem(
        HTTPStatus.UNAUTHORIZED, "The provided API key is not valid.", {"docUrl": DOCUMENTATION}
    )


def unknown_version() -> Problem:
    """400: the API version is missing or unknown."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "The API version that was provided in the X-Runway-Version header is not valid.",
        {"docUrl": DOCUMENTATION},
    )


def invalid(issues: list[Issue]) -> Problem:
    """400: the body has these errors."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "Validation of body failed",
        {"issues": issues, "docUrl": DOCUMENTATION},
    )


def no_credits() -> Problem:
    """400: the account cannot pay the task. Runway uses the same status as for an invalid body."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "You do not have enough credits to run this task.",
        {"docUrl": DOCUMENTATION},
    )


def unusable_asset(field: str, reason: str) -> Problem:
    """400: an input image cannot be used. The text names the field. There is no `issues`."""
    return Problem(HTTPStatus.BAD_REQUEST, f"{field}: {reason}")


def no_such_model(model: str) -> Problem:
    """403: the model is unknown, retired, or not open to this account."""
    return Problem(HTTPStatus.FORBIDDEN, f"Model variant {model} is not available")


def no_task() -> Problem:
    """404: the task is unknown or deleted."""
    return Problem(HTTPStatus.NOT_FOUND, "Could not find Task")


def throttled() -> Problem:
    """429: there are too many requests.

    This is not the limit of concurrent tasks: tasks above that limit wait as THROTTLED.
    """
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests.")


def daily_limit() -> Problem:
    """429: the account has reached its number of tasks within 24 hours."""
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "Your daily task limit has been reached.")


def bad_gateway() -> Problem:
    """502: the load is too high. The request is refused before any work."""
    return Problem(HTTPStatus.BAD_GATEWAY, "Bad gateway")


def gateway_timeout() -> Problem:
    """504: the load is too high, or a gateway waited too long for the response."""
    return Problem(HTTPStatus.GATEWAY_TIMEOUT, "Gateway timeout")


def unavailable() -> Problem:
    """503: the load is too high. The request is refused before any work."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Service unavailable")


def server_error() -> Problem:
    """500: the server fails, before any work."""
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred.")


def error_response(error: HTTPException) -> Response:
    """Convert werkzeug's error to a problem, with its headers (such as Allow of a 405)."""
    headers = [
        (name, value) for name, value in error.get_headers() if name.lower() != "content-type"
    ]
    response = Problem(
        HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR), error.description or error.name
    ).response()
    response.headers.extend(headers)
    return response
