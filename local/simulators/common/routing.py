"""The routes of a simulator. A route maps a request to the function of its endpoint."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import cast

from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

# Replicate's limit of 100 MB for a file, with a margin for the rest of the form.
BODY_BYTES_MAX = 110_000_000


type Endpoint = Callable[..., Response]


class Refusal(ABC, Exception):
    """An error response that an endpoint raises. Each provider has its own subclass."""

    @abstractmethod
    def response(self) -> Response:
        """Return the refusal as an HTTP response."""


class JsonRequest(Request):
    """A request with a body of at most `BODY_BYTES_MAX`."""

    max_content_length = BODY_BYTES_MAX

    def document(self) -> object:
        """Parse the body as JSON, for any content type. Raises BadRequest if it is not JSON."""
        try:
            return json.loads(self.get_data())
        except ValueError as error:
            raise BadRequest("The request body is not valid JSON.") from error


class Router:
    """Rules whose endpoints are functions of the request and the path's variables."""

    def __init__(
        self, rules: Iterable[Rule], error_response: Callable[[HTTPException], Response]
    ) -> None:
        """Prepare the rules.

        `error_response` converts werkzeug's own errors to responses in the provider's format.
        """
        self._map = Map(rules)
        self._error_response = error_response

    def respond(self, request: JsonRequest) -> Response:
        """Return the response of the endpoint, also if it is a refusal."""
        try:
            endpoint, arguments = self._map.bind_to_environ(request.environ).match()
            return cast("Endpoint", endpoint)(request, **arguments)
        except Refusal as refusal:
            return refusal.response()
        except HTTPException as error:
            return self._error_response(error)


def json_response(document: object, status: int = HTTPStatus.OK) -> Response:
    """Return a document as an HTTP response."""
    return Response(json.dumps(document), status, content_type="application/json")
