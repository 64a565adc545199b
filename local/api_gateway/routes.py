"""The routes of an HTTP API, read from the OpenAPI body that the SAM translator writes, and found as API Gateway finds them.

Source: API Gateway Developer Guide, "Create routes for HTTP APIs" (the most specific route wins: a full match, then a greedy
path variable, then $default) and "OpenAPI extensions for API Gateway".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.lambda_runtime.functions import function_name

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_ANY_METHOD = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_FUNCTION_IN_URI = re.compile(r".*/functions/(?P<reference>[^/]+)/invocations")
_INTEGRATION_SECONDS_DEFAULT = 30.0


@dataclass(frozen=True)
class Route:
    """`key` is the routeKey of the payload; `authorizer` is None for a public route."""

    key: str
    method: str
    path: str
    function: str
    authorizer: str | None
    scopes: tuple[str, ...] = ()
    timeout_seconds: float = _INTEGRATION_SECONDS_DEFAULT

    @property
    def is_default(self) -> bool:
        """Whether it takes what no other route does."""
        return self.path == "$default"


@dataclass(frozen=True)
class Match:
    """A route and what its path variables stand for."""

    route: Route
    path_parameters: Mapping[str, str]


class Routes:
    """The routes of one API, the most specific first."""

    def __init__(self, routes: list[Route]) -> None:
        """Take them in any order."""
        self._routes = sorted(routes, key=_specificity, reverse=True)

    def find(self, method: str, path: str) -> Match | None:
        """Find the most specific route for a method and a path (already percent-decoded)."""
        for route in self._routes:
            if route.method in (method, "ANY"):
                parameters = _path_parameters(route.path, path)
                if parameters is not None:
                    return Match(route, parameters)
        return None


def read_routes(body: Mapping[str, Any]) -> Routes:
    """Read the routes of a resolved OpenAPI body. Raises ValueError for an integration that is no Lambda proxy of payload format 2.0."""
    schemes = body.get("components", {}).get("securitySchemes", {})
    return Routes(list(_read(body, schemes)))


def _read(body: Mapping[str, Any], schemes: Mapping[str, Any]) -> Iterator[Route]:
    for path, operations in body["paths"].items():
        for name, operation in operations.items():
            if name not in _METHODS and name != _ANY_METHOD:
                continue
            method = "ANY" if name == _ANY_METHOD else name.upper()
            integration = operation[_INTEGRATION]
            found = _FUNCTION_IN_URI.fullmatch(str(integration["uri"]))
            if not found or str(integration.get("payloadFormatVersion")) != "2.0":
                raise ValueError(f"{method} {path}: only Lambda proxies of payload format 2.0 are known here")
            # SAM writes the authorizer NONE for a public route; it is no security scheme.
            required = [(scheme, scopes) for entry in operation.get("security", []) for scheme, scopes in entry.items()]
            authorizer, scopes = next(((scheme, scopes) for scheme, scopes in required if scheme in schemes), (None, []))
            yield Route(
                key="$default" if path == "$default" else f"{method} {path}",
                method=method,
                path=path,
                function=function_name(found["reference"]),
                authorizer=authorizer,
                scopes=tuple(scopes),
                timeout_seconds=int(integration.get("timeoutInMillis", _INTEGRATION_SECONDS_DEFAULT * 1000)) / 1000,
            )


def _specificity(route: Route) -> tuple[bool, bool, list[bool], bool]:
    """Sort the better match higher: no $default, not greedy, literal segments early, a named method."""
    segments = route.path.split("/")
    return (not route.is_default, "+}" not in route.path, [not segment.startswith("{") for segment in segments], route.method != "ANY")


def _path_parameters(template: str, path: str) -> dict[str, str] | None:
    if template == "$default":
        return {}
    parameters: dict[str, str] = {}
    expected, given = template.split("/"), path.split("/")
    for position, segment in enumerate(expected):
        if segment.startswith("{") and segment.endswith("+}"):
            rest = "/".join(given[position:])
            return {**parameters, segment[1:-2]: rest} if rest else None
        if position >= len(given):
            return None
        if segment.startswith("{"):
            if not given[position]:
                return None
            parameters[segment[1:-1]] = given[position]
        elif segment != given[position]:
            return None
    return parameters if len(expected) == len(given) else None
