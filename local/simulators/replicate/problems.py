"""The refusals of the API, worded as the real API words them."""

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
    """A response of the type application/problem+json. `status` is also a member of the body."""

    status: HTTPStatus
    members: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @override
    def response(self) -> Response:
        body = json.dumps({**self.members, "status": int(self.status)})
        return Response(body, self.status, self.headers, content_type="application/problem+json")


def unauthenticated() -> Problem:
    """Refuse a missing or a malformed token."""
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        {"title": "Unauthenticated", "detail": "You did not pass a valid authentication token"},
    )


def not_found() -> Problem:
    """Refuse an unknown resource."""
    return Problem(HTTPStatus.NOT_FOUND, {"detail": "The requested resource could not be found."})


def invalid_version() -> Problem:
    """Refuse an unknown version, or the bare name of a model that is not official."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        {
            "title": "Invalid version or not permitted",
            "detail": "The specified version does not exist (or perhaps you don't have permission to use it?)",
        },
    )


def invalid(fields: Sequence[InvalidField], title: str = "Input validation failed") -> Problem:
    """Refuse a document, and name each invalid field."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        {
            "title": title,
            "detail": "".join(f"- {each.field}: {each.description}\n" for each in fields),
            "invalid_fields": [asdict(each) for each in fields],
        },
    )


def throttled(retry_after_seconds: int) -> Problem:
    """Refuse because of too many requests.

    The real API documents no Retry-After header, so only the body has the delay.
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
    """Refuse a prediction that the account cannot pay."""
    return Problem(
        HTTPStatus.PAYMENT_REQUIRED,
        {
            "title": "Insufficient credit",
            "detail": "You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing to purchase credit.",
        },
    )


def server_error() -> Problem:
    """Fail without a reason, before any work."""
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        {"title": "Internal server error", "detail": "Something went wrong."},
    )


def too_large() -> Problem:
    """Refuse a file that is too large."""
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        {"title": "File too large", "detail": "The file exceeds the maximum of 100 MB."},
    )


def unavailable() -> Problem:
    """Refuse because of an outage, before any work."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        {"title": "Service unavailable", "detail": "The service is temporarily unavailable."},
    )


def error_response(error: HTTPException) -> Response:
    """Return werkzeug's error as a problem, with its headers (Allow of a 405)."""
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
