"""The port to which a public URL leads. It has the webhooks of the API and nothing else."""

import json
from collections.abc import Iterable
from http import HTTPStatus

from werkzeug.wrappers import Response

from local.api_gateway.http_server import Application, Environ, StartResponse

_PREFIX = "/webhooks/"


class WebhookEndpoint:
    """A WSGI application: the paths of the API that begin with `/webhooks/`."""

    def __init__(self, api: Application) -> None:
        """Send the requests for webhooks to the API, and respond 404 to all others."""
        self._api = api

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        if environ["PATH_INFO"].startswith(_PREFIX):
            return self._api(environ, start_response)
        body = json.dumps({"message": "Not Found"})
        not_found = Response(body, HTTPStatus.NOT_FOUND, content_type="application/json")
        return not_found(environ, start_response)
