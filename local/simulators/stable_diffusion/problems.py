"""The error responses of the WebUI.

Source: the exception handler in modules/api/api.py of the WebUI.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, override

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from local.simulators.common.routing import Refusal, json_response


class Problem(Refusal):
    """An error response with a JSON document."""

    def __init__(self, status: int, document: dict[str, Any], **headers: str) -> None:
        """Store the status, the document and the headers of the response."""
        super().__init__(status)
        self.status, self.document, self.headers = status, document, headers

    @override
    def response(self) -> Response:
        response = json_response(self.document, self.status)
        response.headers.extend(self.headers)
        return response


def refused(status: HTTPStatus, detail: str) -> Problem:
    """Make the response of an endpoint that raises HTTPException."""
    return Problem(status, {"error": "HTTPException", "detail": detail, "body": "", "errors": ""})


def unauthorized() -> Problem:
    """401: the user name or the password is wrong."""
    problem = refused(HTTPStatus.UNAUTHORIZED, "Incorrect username or password")
    problem.headers["WWW-Authenticate"] = "Basic"
    return problem


def invalid(issues: Sequence[tuple[str, str, str]]) -> Problem:
    """422: the body is invalid, as FastAPI responds. An issue is (field, message, type)."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        {
            "detail": [
                {"loc": ["body", field], "msg": message, "type": kind}
                for field, message, kind in issues
            ]
        },
    )


def out_of_memory() -> Problem:
    """500: the run needs more memory than the graphics card has."""
    text = "CUDA out of memory. Tried to allocate 2.25 GiB."
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        {"error": "OutOfMemoryError", "detail": "", "body": "", "errors": text},
    )


def no_checkpoint() -> Problem:
    """500: the server has no model."""
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        {
            "error": "FileNotFoundError",
            "detail": "",
            "body": "",
            "errors": "No checkpoints found. When searching for checkpoints, looked at: /models",
        },
    )


def gateway_error(status: int) -> Problem:
    """Return a gateway's own error. Cloudflare uses statuses that HTTP does not define."""
    return Problem(status, {})


def throttled() -> Problem:
    """429: a gateway allows fewer requests."""
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, {}, **{"Retry-After": "2"})


def error_response(error: HTTPException) -> Response:
    """Convert werkzeug's error to the WebUI's format."""
    return json_response(
        {"detail": error.name}, HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    )
