"""From a request to the function that answers it."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import cast

from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

# What Replicate takes for a file, and a little more.
BODY_BYTES_MAX = 110_000_000


type Endpoint = Callable[..., Response]


class Refusal(ABC, Exception):
    """What an endpoint raises instead of answering. Each provider words its own."""

    @abstractmethod
    def response(self) -> Response:
        """Return the refusal as it goes over the wire."""


class JsonRequest(Request):
    """A request with a bounded body."""

    max_content_length = BODY_BYTES_MAX

    def document(self) -> object:
        """Return the JSON of the body, whatever its content type says; raise BadRequest when it is none."""
        try:
            return json.loads(self.get_data())
        except ValueError as error:
            raise BadRequest("The request body is not valid JSON.") from error


class Router:
    """Rules whose endpoints are functions of the request and of the variables in the path."""

    def __init__(self, rules: Iterable[Rule], error_response: Callable[[HTTPException], Response]) -> None:
        """Take the rules, and what tells a refusal of the library in the words of the provider."""
        self._map = Map(rules)
        self._error_response = error_response

    def respond(self, request: JsonRequest) -> Response:
        """Return the answer of the endpoint, or its refusal."""
        try:
            endpoint, arguments = self._map.bind_to_environ(request.environ).match()
            return cast("Endpoint", endpoint)(request, **arguments)
        except Refusal as refusal:
            return refusal.response()
        except HTTPException as error:
            return self._error_response(error)


def json_response(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a document as it goes over the wire."""
    return Response(json.dumps(document), status, content_type="application/json")
