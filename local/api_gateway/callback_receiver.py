"""`/local/callbacks`: a receiver of callbacks. Only the local stack has this route."""

import json
from collections import deque
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response

from local.api_gateway.http_server import Application, Environ, StartResponse
from local.loopback import hosts_of, is_forwarded, is_own_host

PATH = "/local/callbacks"
_CALLBACKS_MAX = 100
_BODY_BYTES_MAX = 1024 * 1024


class CallbackReceiver:
    """A WSGI application: the receiver at `PATH`, and another application at all other paths.

    POST stores a callback, and GET returns the last 100 callbacks. Callbacks contain signed links,
    so the receiver serves only requests that name this machine as their host and that no proxy or
    tunnel has forwarded.
    """

    def __init__(self, application: Application) -> None:
        """Serve `PATH`, and send all other requests to the application."""
        self._application = application
        self._callbacks: deque[dict[str, Any]] = deque(maxlen=_CALLBACKS_MAX)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        if environ["PATH_INFO"] == PATH and _is_local(request := Request(environ)):
            return self._respond(request)(environ, start_response)
        return self._application(environ, start_response)

    def _respond(self, request: Request) -> Response:
        match request.method:
            case "GET":
                return Response(
                    json.dumps({"callbacks": list(self._callbacks)}),
                    content_type="application/json",
                )
            case "POST" if (request.content_length or 0) <= _BODY_BYTES_MAX:
                headers = {name.lower(): value for name, value in request.headers.items()}
                self._callbacks.append({"headers": headers, "body": request.get_data(as_text=True)})
                return Response(status=HTTPStatus.NO_CONTENT)
            case "POST":
                return Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return Response(status=HTTPStatus.METHOD_NOT_ALLOWED)


def _is_local(request: Request) -> bool:
    host, port = request.headers.get("Host", ""), int(request.environ["SERVER_PORT"])
    return is_own_host(host, port, hosts_of(request.environ)) and not is_forwarded(request.headers)
