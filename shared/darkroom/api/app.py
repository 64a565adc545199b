"""The base of every function behind the HTTP API: strict JSON bodies and problem documents."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from darkroom import clock
from darkroom.api.auth import User, current_user
from darkroom.api.events import link_prefix, prepared_event, with_prefixed_links
from darkroom.api.json_bodies import json_object
from darkroom.api.json_text import json_text
from darkroom.api.problem_types import PROBLEMS
from darkroom.api.refusals import record_refusal, request_fields
from darkroom.api.responses import problem_response
from darkroom.api.transient_errors import is_transient
from darkroom.domain import errors
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import FieldError
from darkroom.observability import Metric, count, logger
from darkroom.settings import settings

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class _StrictBodies(OpenAPIRequestValidationMiddleware):
    """Accepts JSON objects only. Powertools also accepts forms, and the first object of a list."""

    def _get_body(self, app: Any) -> dict[str, Any]:  # noqa: ANN401 (Powertools' own signature)
        is_required = any(body.required for body in app.context["_route"].dependant.body_params)
        if not (app.current_event.body or is_required):
            return {}
        headers = app.current_event.headers
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in ("", "application/json"):
            raise errors.NotJson
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise errors.BodyEncoded
        return json_object(app.raw_body())


class Routes(APIGatewayHttpRouter):
    """The routes of one subject. A function's HttpApi includes them."""

    def __init__(self) -> None:
        """Create the router without routes."""
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def api(self) -> HttpApi:
        """The API that includes these routes."""
        return cast("HttpApi", self.api_resolver)

    def user(self) -> User:
        """Return the user who sent the current request. Raises NotSignedIn and Forbidden."""
        user = current_user(self.api.claims())
        self.api.record_user(user)
        return user

    def administrator(self) -> User:
        """Return the administrator who sent the current request.

        Raises NotSignedIn and Forbidden. A route that calls this logs what the administrator does,
        by `log_act`.
        """
        user = self.user()
        user.require_admin()
        return user


class HttpApi(APIGatewayHttpResolver):
    """Powertools' resolver, with a problem document (RFC 9457) for every error."""

    def __init__(
        self, *, body_bytes_max: int, on_user: Callable[[AccountId, datetime], None] | None = None
    ) -> None:
        """Accept bodies up to this size.

        `on_user` receives the account of each request's user, and the time of the request.
        """
        self._on_user = on_user
        self._methods: list[tuple[re.Pattern[str], str]] = []
        super().__init__(enable_validation=True, serializer=json_text)
        self.body_bytes_max = body_bytes_max
        self._request_validation_middleware = _StrictBodies()  # type: ignore[no-untyped-call]
        self.exception_handler(NotFoundError)(self._no_such_route)
        self.exception_handler(list(PROBLEMS))(self._refuse)
        self.exception_handler(RequestValidationError)(self._invalid)
        self.exception_handler(Exception)(self._unhandled)

    def route(self, rule: str, method: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Register a route. A 405 response needs the methods of each path."""
        methods = [method] if isinstance(method, str) else method
        self._methods += [(self._compile_regex(rule), name.upper()) for name in methods]
        return super().route(rule, method, *args, **kwargs)

    def raw_body(self) -> bytes:
        """Return the request body as bytes. Raises BodyTooLarge."""
        event = self.current_event
        body = event.body or ""
        raw = b64decode(body) if event.is_base64_encoded else body.encode("utf-8", "surrogatepass")
        if len(raw) > self.body_bytes_max:
            raise errors.BodyTooLarge(self.body_bytes_max)
        return raw

    def claims(self) -> dict[str, Any] | None:
        """Return the claims of the token that the authorizer verified, or None without a token."""
        authorizer = self.current_event.raw_event.get("requestContext", {}).get("authorizer") or {}
        claims: dict[str, Any] | None = (authorizer.get("jwt") or {}).get("claims")
        return claims

    def record_user(self, user: User) -> None:
        """Call `on_user`. A transient error must not refuse the request, so it is only logged."""
        if self._on_user is None:
            return
        try:
            self._on_user(user.account, clock.now())
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("account not recorded", exc_info=True, account=str(user.account))

    def resolve(self, event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401 (Powertools' own)
        """Respond to a request, with the headers that browsers and caches need.

        Most responses belong to one user, and some have signed links. So no cache may store a
        response that sets no Cache-Control of its own.
        """
        response = super().resolve(prepared_event(event, settings().base_path), context)
        response["headers"] = _HEADERS | response.get("headers", {})
        prefix = link_prefix(event, settings().base_path)
        return with_prefixed_links(response, prefix) if prefix else response

    def link_prefix(self) -> str:
        """Return the base path of the links in the current response, or an empty text."""
        return link_prefix(self.current_event.raw_event, settings().base_path)

    @staticmethod
    def _compile_regex(rule: str, base_regex: str = "") -> re.Pattern[str]:  # noqa: ARG004
        """Compile a rule. A path variable matches every character except a slash.

        Powertools' own pattern excludes characters such as `#`. A path with such a character would
        match no route, and the 404 would not name the missing object.
        """
        return re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", re.escape(rule)) + r"\Z")

    def _unhandled(self, error: Exception) -> Response[str]:
        """Build the response for an unexpected error.

        Lambda counts no error here, because the invocation succeeds. A metric counts it instead.
        """
        fields = request_fields(self.current_event.raw_event, self.claims())
        if is_transient(error):
            logger.warning("transient AWS error", exc_info=True, **fields)
            count(Metric.TRANSIENT_ERRORS)
            return problem_response(errors.Unavailable())
        logger.exception("unhandled error", **fields)
        count(Metric.UNHANDLED_ERRORS)
        return problem_response(errors.InternalError(self.lambda_context.aws_request_id))

    def _no_such_route(self, _: NotFoundError) -> Response[str]:
        path = self.current_event.path
        methods = sorted({method for rule, method in self._methods if rule.match(path)})
        if not methods:
            return self._refuse(errors.NotFound(f"path: {path}"))
        allowed = ", ".join(methods)
        if self.current_event.http_method == "OPTIONS":
            # A preflight can arrive through $default. The HTTP API adds the CORS headers to a 2xx.
            return Response(HTTPStatus.NO_CONTENT, headers={"Allow": allowed})
        return self._refuse(errors.MethodNotAllowed(path, allowed))

    def _invalid(self, error: RequestValidationError) -> Response[str]:
        field_errors = [
            FieldError(_field_name(found["loc"]), f"{found['msg']}.") for found in error.errors()
        ]
        return self._refuse(errors.InvalidRequest(field_errors))

    def _refuse(self, error: errors.DarkroomError) -> Response[str]:
        """Build the problem document of a refused request, and log the refusal."""
        record_refusal(error, self.current_event.raw_event, self.claims())
        return problem_response(error)


def log_act(message: str, administrator: User, **fields: Any) -> None:  # noqa: ANN401 (log fields)
    """Log what an administrator does: one line with the administrator's account as `by`."""
    logger.info(message, by=str(administrator.account), **fields)


def _field_name(location: Sequence[str | int]) -> str:
    """Return the path of a field of a body, or the name of a parameter."""
    place, *steps = location
    if place in ("query", "header", "path"):
        steps = steps[:1]
    return ".".join(str(step) for step in steps) or str(place)
