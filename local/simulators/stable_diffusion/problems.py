"""Refusals as the WebUI's exception handler words them (modules/api/api.py)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, override

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from local.simulators.common.routing import Refusal, json_response


class Problem(Refusal):
    """A refusal: a status, and a document."""

    def __init__(self, status: HTTPStatus, document: dict[str, Any], **headers: str) -> None:
        """Take the response's status, document and headers."""
        super().__init__(status)
        self.status, self.document, self.headers = status, document, headers

    @override
    def response(self) -> Response:
        response = json_response(self.document, self.status)
        response.headers.extend(self.headers)
        return response


def refused(status: HTTPStatus, detail: str) -> Problem:
    """Refuse like an endpoint that raises HTTPException."""
    return Problem(status, {"error": "HTTPException", "detail": detail, "body": "", "errors": ""})


def unauthorized() -> Problem:
    """Refuse a wrong user or password."""
    problem = refused(HTTPStatus.UNAUTHORIZED, "Incorrect username or password")
    problem.headers["WWW-Authenticate"] = "Basic"
    return problem


def invalid(issues: Sequence[tuple[str, str, str]]) -> Problem:
    """Refuse a body, as FastAPI does: an issue has the field, the message and the type."""
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
    """Fail like a run that needs more memory than the card has."""
    text = "CUDA out of memory. Tried to allocate 2.25 GiB."
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        {"error": "OutOfMemoryError", "detail": "", "body": "", "errors": text},
    )


def bad_gateway() -> Problem:
    """Refuse like a proxy in front of a WebUI that is down."""
    return Problem(HTTPStatus.BAD_GATEWAY, {})


def error_response(error: HTTPException) -> Response:
    """Return werkzeug's error as the WebUI words it."""
    return json_response(
        {"detail": error.name}, HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    )
