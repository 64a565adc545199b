"""CORS as an HTTP API is configured for it. Source: API Gateway Developer Guide, "Configure CORS for HTTP APIs"."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response


class Cors:
    """What browsers are told of who may read the API's answers."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        """Take the resolved x-amazon-apigateway-cors."""
        self._origins: list[str] = configuration.get("allowOrigins", [])
        self._credentials = str(configuration.get("allowCredentials", "")).lower() == "true"
        self._preflight = {
            "Access-Control-Allow-Headers": ",".join(configuration.get("allowHeaders", [])),
            "Access-Control-Allow-Methods": ",".join(configuration.get("allowMethods", [])),
            "Access-Control-Max-Age": str(configuration.get("maxAge", "")),
        }
        self._exposed = ",".join(configuration.get("exposeHeaders", []))

    def is_preflight(self, request: Request) -> bool:
        """Tell whether a browser asks for permission only."""
        return request.method == "OPTIONS" and "Origin" in request.headers and "Access-Control-Request-Method" in request.headers

    def preflight_response(self) -> Response:
        """Answer a preflight; `add_headers` says to whom it applies."""
        return Response(status=HTTPStatus.NO_CONTENT, headers={name: value for name, value in self._preflight.items() if value})

    def add_headers(self, request: Request, response: Response) -> None:
        """Say who may read the answer; what the function itself said about CORS is dropped, as API Gateway does."""
        if not self.is_preflight(request):
            for name in [name for name, _ in response.headers if name.lower().startswith("access-control-")]:
                del response.headers[name]
        origin = request.headers.get("Origin")
        if origin is None or not ("*" in self._origins or origin in self._origins):
            return
        response.headers["Access-Control-Allow-Origin"] = "*" if "*" in self._origins else origin
        if self._credentials:
            response.headers["Access-Control-Allow-Credentials"] = "true"
        if self._exposed:
            response.headers["Access-Control-Expose-Headers"] = self._exposed
