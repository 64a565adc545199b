"""The error responses of the API, with the texts of the real API."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any, override

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from local.simulators.common.routing import Refusal
from local.simulators.replicate.validation import InvalidField


@dataclass
class Problem(Refusal):
    """An error response of the type application/problem+json. The body also has the status."""

    status: HTTPStatus
    members: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @override
    def response(self) -> Response:
        body = json.dumps({**self.members, "status": int(self.status)})
        return Response(body, self.status, self.headers, content_type="application/problem+json")


def unauthenticated() -> Problem:
    """401: the token is missing or malformed."""
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        {"title": "Unauthenticated", "detail": "You did not pass a valid authentication token"},
    )


def not_found() -> Problem:
    """404: the resource is unknown."""
    return Problem(HTTPStatus.NOT_FOUND, {"detail": "The requested resource could not be found."})


def moved(location: str) -> Problem:
    """308: the model has another name. The real answer is not known."""
    return Problem(
        HTTPStatus.PERMANENT_REDIRECT,
        {"title": "Permanent redirect", "detail": "The model was renamed."},
        {"Location": location},
    )


def invalid_version() -> Problem:
    """422: the version is unknown, or it is only the name of a model that is not official."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        {
            "title": "Invalid version or not permitted",
            "detail": "The specified version does not exist"
            " (or perhaps you don't have permission to use it?)",
        },
    )


def invalid(fields: Sequence[InvalidField], title: str = "Input validation failed") -> Problem:
    """422: the document has these invalid fields."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        {
            "title": title,
            "detail": "".join(f"- {each.field}: {each.description}\n" for each in fields),
            "invalid_fields": [asdict(each) for each in fields],
        },
    )


def throttled(retry_after_seconds: int) -> Problem:
    """429: there are too many requests.

    The real API documents no header Retry-After, so only the body has the delay.
    """
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        {
            "title": "Request was throttled",
            "detail": f"Request was throttled. Your rate limit resets in ~{retry_after_seconds}s.",
            "retry_after": retry_after_seconds,
        },
        {"ratelimit-remaining": "0", "ratelimit-reset": str(retry_after_seconds)},
    )


def insufficient_credit() -> Problem:
    """402: the account cannot pay the prediction."""
    return Problem(
        HTTPStatus.PAYMENT_REQUIRED,
        {
            "title": "Insufficient credit",
            "detail": "You have insufficient credit to run this model."
            " Go to https://replicate.com/account/billing#billing to purchase credit.",
        },
    )


def server_error() -> Problem:
    """500: the server fails, before any work."""
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        {"title": "Internal server error", "detail": "Something went wrong."},
    )


def too_large() -> Problem:
    """413: the file is too large."""
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        {"title": "File too large", "detail": "Files must be less than 100MB in size"},
    )


def unavailable() -> Problem:
    """503: the service is not available. The request is refused before any work."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        {"title": "Service unavailable", "detail": "The service is temporarily unavailable."},
    )


def error_response(error: HTTPException) -> Response:
    """Convert werkzeug's error to a problem, with its headers (such as Allow of a 405)."""
    response = Response(
        status=error.code, headers=error.get_headers(), content_type="application/problem+json"
    )
    if error.code == HTTPStatus.NOT_FOUND:
        response.set_data(not_found().response().get_data())
    else:
        response.set_data(
            json.dumps({"title": error.name, "detail": error.description, "status": error.code})
        )
    return response
