"""The routes of an HTTP API, from the OpenAPI body that the SAM translator writes.

API Gateway uses the most specific route: a full match, then a greedy path variable, then $default.
Source: API Gateway Developer Guide, "Create routes for HTTP APIs" and "OpenAPI extensions for API
Gateway".
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.routing.converters import BaseConverter

from local.lambda_runtime.functions import function_name

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_ANY_METHOD = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_FUNCTION_IN_URI = re.compile(r".*/functions/(?P<reference>[^/]+)/invocations")
_INTEGRATION_SECONDS_DEFAULT = 30.0
_PATH = re.compile(r"(?:/(?:\{[A-Za-z_]\w*\}|[^/{}<>]*))*(?:/\{[A-Za-z_]\w*\+\})?")


@dataclass(frozen=True)
class Route:
    """A route. `key` is the event's routeKey. `authorizer` is None for a public route."""

    key: str
    method: str
    path: str
    function: str
    authorizer: str | None
    scopes: tuple[str, ...] = ()
    timeout_seconds: float = _INTEGRATION_SECONDS_DEFAULT

    @property
    def is_default(self) -> bool:
        """Whether the route is $default, which matches every request without another route."""
        return self.path == "$default"

    @property
    def is_greedy(self) -> bool:
        """Whether the path ends with a greedy variable, `{name+}`."""
        return self.path.endswith("+}")


@dataclass(frozen=True)
class Match:
    """A route and the values of its path variables."""

    route: Route
    path_parameters: Mapping[str, str]


class _GreedyConverter(BaseConverter):
    """Matches the rest of a path. werkzeug's own converter refuses a leading slash."""

    regex = "(?s:.+)"
    part_isolating = False
    weight = 200


class _Router:
    """Matches routes of one kind with werkzeug.

    werkzeug drops repeated slashes at the start of a path, and redirects a path without the final
    slash of its rule. API Gateway matches slashes exactly. So each path gets an extra first
    segment and, if the routes are not greedy, an extra last segment.
    """

    def __init__(self, routes: Iterable[Route], end: str) -> None:
        self._end = end
        # If two rules match, werkzeug uses the first. API Gateway prefers a method to ANY.
        rules = [
            self._rule(route) for route in sorted(routes, key=lambda route: route.method == "ANY")
        ]
        rule_map = Map(rules, merge_slashes=False, converters={"greedy": _GreedyConverter})
        self._adapter = rule_map.bind("localhost")

    def find(self, method: str, path: str) -> Match | None:
        try:
            route, parameters = self._adapter.match(self._anchored(path), method)
        except (NotFound, MethodNotAllowed):
            return None
        return Match(route, parameters)

    def _rule(self, route: Route) -> Rule:
        if not _PATH.fullmatch(route.path):
            raise ValueError(
                f"{route.key}: a path variable must be one whole segment, {{name}}."
                " Only the last segment may be greedy, {name+}."
            )
        template = re.sub(r"\{(\w+)\+\}", r"<greedy:\1>", route.path)
        template = re.sub(r"\{(\w+)\}", r"<\1>", template)
        methods = None if route.method == "ANY" else [route.method]
        rule = Rule(self._anchored(template), methods=methods, endpoint=route)
        if rule.methods and route.method != "HEAD":
            # werkzeug adds HEAD to a rule for GET. API Gateway does not.
            rule.methods.discard("HEAD")
        return rule

    def _anchored(self, path: str) -> str:
        return f"/^{path}{self._end}"


class Routes:
    """The routes of one API, in any order."""

    def __init__(self, routes: list[Route]) -> None:
        """Sort the routes by kind. Raises ValueError for a path that API Gateway would refuse.

        werkzeug prefers a literal segment to a variable before it reads the rest of the path.
        API Gateway prefers every full match to a greedy match. So greedy routes have their own
        router, which is used second.
        """
        named = [route for route in routes if not route.is_default]
        self._full = _Router((route for route in named if not route.is_greedy), end="/$")
        self._greedy = _Router((route for route in named if route.is_greedy), end="")
        self._default = next((Match(route, {}) for route in routes if route.is_default), None)

    def find(self, method: str, path: str) -> Match | None:
        """Return the most specific route for a method and a percent-decoded path."""
        return self._full.find(method, path) or self._greedy.find(method, path) or self._default


def read_routes(body: Mapping[str, Any]) -> Routes:
    """Read the routes of an OpenAPI body, with all references resolved.

    Raises ValueError for an integration that is not a Lambda proxy of payload format 2.0.
    """
    schemes = body.get("components", {}).get("securitySchemes", {})
    return Routes(list(_read(body["paths"], schemes)))


def _read(paths: Mapping[str, Mapping[str, Any]], schemes: Mapping[str, Any]) -> Iterator[Route]:
    for path, operations in paths.items():
        for name, operation in operations.items():
            if name in _METHODS or name == _ANY_METHOD:
                method = "ANY" if name == _ANY_METHOD else name.upper()
                yield _route(method, path, operation, schemes)


def _route(
    method: str, path: str, operation: Mapping[str, Any], schemes: Mapping[str, Any]
) -> Route:
    integration = operation[_INTEGRATION]
    found = _FUNCTION_IN_URI.fullmatch(str(integration["uri"]))
    if not found or str(integration.get("payloadFormatVersion")) != "2.0":
        raise ValueError(
            f"{method} {path}: the local stack supports only Lambda proxies of payload format 2.0"
        )
    authorizer, scopes = _authorization(operation, schemes)
    timeout_ms = int(integration.get("timeoutInMillis", _INTEGRATION_SECONDS_DEFAULT * 1000))
    return Route(
        key="$default" if path == "$default" else f"{method} {path}",
        method=method,
        path=path,
        function=function_name(found["reference"]),
        authorizer=authorizer,
        scopes=scopes,
        timeout_seconds=timeout_ms / 1000,
    )


def _authorization(
    operation: Mapping[str, Any], schemes: Mapping[str, Any]
) -> tuple[str | None, tuple[str, ...]]:
    """Return the route's first authorizer that the API declares, and its scopes.

    Returns None without scopes for a public route: SAM gives it the undeclared authorizer NONE.
    """
    for requirement in operation.get("security", []):
        for scheme, scopes in requirement.items():
            if scheme in schemes:
                return scheme, tuple(scopes)
    return None, ()
