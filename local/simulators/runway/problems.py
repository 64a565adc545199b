"""The refusals of the API, worded as the real API words them.

Sources: docs.dev.runwayml.com, "HTTP Errors" and "API Troubleshooting Guide", and answers of the real API that were published.
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
    """A sentence for people, and what the sentence alone does not say."""

    status: HTTPStatus
    error: str
    members: dict[str, Any] = field(default_factory=dict)

    @override
    def response(self) -> Response:
        return Response(json.dumps({"error": self.error, **self.members}), self.status, content_type="application/json; charset=utf-8")


def unauthenticated() -> Problem:
    """Refuse a missing or a malformed key."""
    return Problem(HTTPStatus.UNAUTHORIZED, "The provided API key is not valid.", {"docUrl": DOCUMENTATION})


def unknown_version() -> Problem:
    """Refuse a request without the version of the API, or with another one."""
    return Problem(HTTPStatus.BAD_REQUEST, "The API version that was provided in the X-Runway-Version header is not valid.", {"docUrl": DOCUMENTATION})


def invalid(issues: list[Issue]) -> Problem:
    """Refuse a body, and tell where it is wrong."""
    return Problem(HTTPStatus.BAD_REQUEST, "Validation of body failed", {"issues": issues, "docUrl": DOCUMENTATION})


def no_credits() -> Problem:
    """Refuse what the organisation cannot pay. It has the status of a wrong input; only the sentence tells."""
    return Problem(HTTPStatus.BAD_REQUEST, "You do not have enough credits to run this task.", {"docUrl": DOCUMENTATION})


def no_task() -> Problem:
    """Refuse a task that never was, or that was deleted."""
    return Problem(HTTPStatus.NOT_FOUND, "Could not find Task")


def throttled() -> Problem:
    """Refuse for now: too many tasks within 24 hours. How many run at once is no reason; those wait as THROTTLED."""
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "Your daily task limit has been reached.")


def unavailable() -> Problem:
    """Refuse because load is being shed; nothing was done."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Service unavailable")


def broken() -> Problem:
    """Refuse because of an error of the server; nothing was done."""
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred.")


def error_response(error: HTTPException) -> Response:
    """Keep the headers of the library's own refusal (Allow of a 405), and change its page into a problem."""
    headers = [(name, value) for name, value in error.get_headers() if name.lower() != "content-type"]
    response = Problem(HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR), error.description or error.name).response()
    response.headers.extend(headers)
    return response
