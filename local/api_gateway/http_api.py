"""The HTTP API in front of the functions, with routes, authorizers and CORS from the template.

API Gateway itself sends 401, 403, 404, 413, 500 and 503, with the body `{"message": …}`.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response

from local.api_gateway.cors import Cors
from local.api_gateway.http_server import Environ, StartResponse
from local.api_gateway.jwt_authorizer import Forbidden, Identity, JwtAuthorizer, Unauthorized
from local.api_gateway.payloads import MalformedResponse, event_of, response_of
from local.api_gateway.routes import Match, Route, read_routes
from local.cloudformation.resources import Resources
from local.lambda_runtime.concurrency import ExecutionEnvironments, TooManyRequests
from local.lambda_runtime.execution_environment import InvocationResponse
from local.lambda_runtime.invocations import PAYLOAD_BYTES_MAX

logger = logging.getLogger(__name__)

BODY_BYTES_MAX = 10 * 1024 * 1024
_INTEGRATIONS_MAX = 64

_API = "AWS::ApiGatewayV2::Api"


class _Refused(Exception):
    """API Gateway refuses the request with `response`."""

    def __init__(
        self, status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.response = Response(
            json.dumps({"message": text}), status, headers, content_type="application/json"
        )


class HttpApi:
    """A WSGI application that responds as the deployed API does."""

    def __init__(
        self,
        api_id: str,
        stage: str,
        body: Mapping[str, Any],
        environments: ExecutionEnvironments,
        aws_url: str,
        *,
        base_path: str = "",
    ) -> None:
        """Read the OpenAPI body of an AWS::ApiGatewayV2::Api, with all references resolved.

        `base_path` is the API mapping of a custom domain, for example `/images`. A request below it
        uses the routes without it. The `rawPath` of its event keeps it.
        """
        schemes = body.get("components", {}).get("securitySchemes", {})
        self.authorizers = {
            name: JwtAuthorizer(scheme["x-amazon-apigateway-authorizer"], aws_url)
            for name, scheme in schemes.items()
        }
        self._api_id = api_id
        self._stage = stage
        self._routes = read_routes(body)
        self._base_path = base_path
        self._cors = (
            Cors(body["x-amazon-apigateway-cors"]) if "x-amazon-apigateway-cors" in body else None
        )
        self._environments = environments
        self._integrations = ThreadPoolExecutor(_INTEGRATIONS_MAX, "integration")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        request = Request(environ)
        response = self._respond(request)
        if self._cors:
            self._cors.add_headers(request, response)
        return response(environ, start_response)

    def has_route(self, method: str, path: str) -> bool:
        """Return whether a route other than $default matches."""
        match = self._find(method, path)
        return match is not None and not match.route.is_default

    def close(self) -> None:
        """Send no more requests to the functions."""
        self._integrations.shutdown(wait=False, cancel_futures=True)

    def _respond(self, request: Request) -> Response:
        match = self._find(request.method, request.path)
        if (
            self._cors
            and self._cors.is_preflight(request)
            and (match is None or _handles_preflight(match.route))
        ):
            return self._cors.preflight_response()
        if match is None:
            return _Refused(HTTPStatus.NOT_FOUND, "Not Found").response
        try:
            identity = self._identify(request, match.route)
            return self._integrate(match.route, self._payload(request, match, identity))
        except _Refused as refused:
            return refused.response

    def _find(self, method: str, path: str) -> Match | None:
        if self._base_path and path.startswith(f"{self._base_path}/"):
            path = path.removeprefix(self._base_path)
        return self._routes.find(method, path)

    def _payload(self, request: Request, match: Match, identity: Identity | None) -> bytes:
        if (request.content_length or 0) <= BODY_BYTES_MAX:
            payload = json.dumps(
                event_of(request, match, identity, api_id=self._api_id, stage=self._stage)
            ).encode()
            if len(payload) <= PAYLOAD_BYTES_MAX:
                return payload
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large")

    def _identify(self, request: Request, route: Route) -> Identity | None:
        if route.authorizer is None:
            return None
        try:
            return self.authorizers[route.authorizer].identify(request.headers, route.scopes)
        except Unauthorized as error:
            raise _Refused(HTTPStatus.UNAUTHORIZED, "Unauthorized", _challenge(error)) from error
        except Forbidden as error:
            raise _Refused(HTTPStatus.FORBIDDEN, "Forbidden") from error

    def _integrate(self, route: Route, payload: bytes) -> Response:
        """Invoke the function and return its response.

        After the integration's time-out, the function continues and its response is ignored.
        """
        invocation = self._integrations.submit(self._environments.invoke, route.function, payload)
        try:
            response: InvocationResponse = invocation.result(route.timeout_seconds)
            if not response.failed:
                return response_of(response.payload)
        except (FutureTimeoutError, TooManyRequests) as error:
            raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "Service Unavailable") from error
        except MalformedResponse as error:
            logger.warning("%s returned an invalid HTTP response: %s", route.function, error)
        raise _Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error")


def read_http_api(
    resources: Resources, environments: ExecutionEnvironments, aws_url: str, *, base_path: str
) -> HttpApi:
    """Read the only HTTP API of a stack."""
    ((logical_id, properties),) = resources.of_type(_API).items()
    stages = resources.of_type("AWS::ApiGatewayV2::Stage").values()
    stage = next(
        (stage["StageName"] for stage in stages if stage["ApiId"] == logical_id), "$default"
    )
    return HttpApi(
        logical_id, stage, properties["Body"], environments, aws_url, base_path=base_path
    )


def _handles_preflight(route: Route) -> bool:
    """Return whether API Gateway itself responds to a preflight that matches this route.

    API Gateway does so only if the route is $default and needs no token.
    """
    return route.is_default and route.authorizer is None


def _challenge(error: Unauthorized) -> dict[str, str]:
    description = str(error)
    detail = (
        f' scope="" error="invalid_token" error_description="{description}"' if description else ""
    )
    return {"WWW-Authenticate": f"Bearer{detail}"}
