"""Routes of a simulator: from a request to the function of its endpoint."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import cast

from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

# Replicate's limit for a file, and a little more.
BODY_BYTES_MAX = 110_000_000


type Endpoint = Callable[..., Response]


class Refusal(ABC, Exception):
    """A refusal that an endpoint raises. Each provider words its own."""

    @abstractmethod
    def response(self) -> Response:
        """Return the refusal as an HTTP response."""


class JsonRequest(Request):
    """A request with a bounded body."""

    max_content_length = BODY_BYTES_MAX

    def document(self) -> object:
        """Parse the body as JSON, whatever its content type. Raises BadRequest."""
        try:
            return json.loads(self.get_data())
        except ValueError as error:
            raise BadRequest("The request body is not valid JSON.") from error


class Router:
    """Rules with functions as endpoints. A function gets the request and the path's variables."""

    def __init__(
        self, rules: Iterable[Rule], error_response: Callable[[HTTPException], Response]
    ) -> None:
        """Take the rules. `error_response` words werkzeug's own errors as the provider does."""
        self._map = Map(rules)
        self._error_response = error_response

    def respond(self, request: JsonRequest) -> Response:
        """Return the response of the endpoint, or its refusal."""
        try:
            endpoint, arguments = self._map.bind_to_environ(request.environ).match()
            return cast("Endpoint", endpoint)(request, **arguments)
        except Refusal as refusal:
            return refusal.response()
        except HTTPException as error:
            return self._error_response(error)


def json_response(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a document as an HTTP response."""
    return Response(json.dumps(document), status, content_type="application/json")
