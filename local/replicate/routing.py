"""From a request to the function that answers it."""

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import cast

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from local.replicate import problems

BODY_BYTES_MAX = 20_000_000


type Endpoint = Callable[..., Response]


class JsonRequest(Request):
    """A request with a bounded body."""

    max_content_length = BODY_BYTES_MAX

    def document(self) -> object:
        """Return the JSON of the body, whatever its content type says; raise the problem when it is none."""
        try:
            return json.loads(self.get_data())
        except ValueError as error:
            raise problems.bad_request("The request body is not valid JSON.") from error


class Router:
    """Rules whose endpoints are functions of the request and of the variables in the path."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Take the rules."""
        self._map = Map(rules)

    def answer(self, request: JsonRequest) -> Response:
        """Return the answer of the endpoint, or its problem."""
        try:
            endpoint, arguments = self._map.bind_to_environ(request.environ).match()
            return cast("Endpoint", endpoint)(request, **arguments)
        except problems.Problem as problem:
            return problem.response()
        except HTTPException as error:
            return _told_as_problem(error)


def _told_as_problem(error: HTTPException) -> Response:
    """Keep the headers of the library's own refusal (Allow of a 405), and change its page into a problem."""
    response = Response(status=error.code, headers=error.get_headers(), content_type="application/problem+json")
    if error.code == HTTPStatus.NOT_FOUND:
        response.set_data(problems.not_found().response().get_data())
    else:
        response.set_data(json.dumps({"title": error.name, "detail": error.description, "status": error.code}))
    return response


def json_response(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a document as it goes over the wire."""
    return Response(json.dumps(document), status, content_type="application/json")
