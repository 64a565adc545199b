"""CORS of an HTTP API.

Source: API Gateway Developer Guide, "Configure CORS for HTTP APIs".
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response


class Cors:
    """The CORS headers of the API's responses."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        """Read the x-amazon-apigateway-cors of the API's body, with all references resolved."""
        self._origins: list[str] = configuration.get("allowOrigins", [])
        self._credentials = str(configuration.get("allowCredentials", "")).lower() == "true"
        self._preflight = {
            "Access-Control-Allow-Headers": ",".join(configuration.get("allowHeaders", [])),
            "Access-Control-Allow-Methods": ",".join(configuration.get("allowMethods", [])),
            "Access-Control-Max-Age": str(configuration.get("maxAge", "")),
        }
        self._exposed = ",".join(configuration.get("exposeHeaders", []))

    def is_preflight(self, request: Request) -> bool:
        """Return whether the request is a browser's preflight."""
        return (
            request.method == "OPTIONS"
            and "Origin" in request.headers
            and "Access-Control-Request-Method" in request.headers
        )

    def preflight_response(self) -> Response:
        """Return the response to a preflight. `add_headers` adds the allowed origin."""
        return Response(
            status=HTTPStatus.NO_CONTENT,
            headers={name: value for name, value in self._preflight.items() if value},
        )

    def add_headers(self, request: Request, response: Response) -> None:
        """Add the CORS headers if the request's origin is allowed.

        Removes the CORS headers of the function's response, as API Gateway does.
        """
        if not self.is_preflight(request):
            for name in [
                name for name, _ in response.headers if name.lower().startswith("access-control-")
            ]:
                del response.headers[name]
        origin = request.headers.get("Origin")
        if origin is None or not ("*" in self._origins or origin in self._origins):
            return
        response.headers["Access-Control-Allow-Origin"] = "*" if "*" in self._origins else origin
        if self._credentials:
            response.headers["Access-Control-Allow-Credentials"] = "true"
        if self._exposed:
            response.headers["Access-Control-Expose-Headers"] = self._exposed
