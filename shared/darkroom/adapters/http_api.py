"""The HTTP API's side of every function behind it: strict JSON in, JSON out, and one place where errors become problem documents (RFC 9457)."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import OpenAPIRequestValidationMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from darkroom.domain import errors
from darkroom.domain.errors import FieldError

BUSY_RETRY_AFTER_SECONDS = 5
PAUSED_RETRY_AFTER_SECONDS = 60


class BodyTooLarge(errors.RequestError):
    """The body has more bytes than this door takes."""

    def __init__(self, bytes_max: int) -> None:
        """Carry the limit."""
        super().__init__(str(bytes_max))
        self.bytes_max = bytes_max


class NotJson(errors.RequestError):
    """The body is announced as something else than JSON."""


class _StrictBodies(OpenAPIRequestValidationMiddleware):
    """Takes JSON objects and nothing else, where Powertools takes forms too, and the first object of a list."""

    def _get_body(self, app: Any) -> dict[str, Any]:  # noqa: ANN401 (Powertools' own signature)
        content_type = app.current_event.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in ("", "application/json"):
            raise NotJson
        return _json_object(app.raw_body())


class HttpApi(APIGatewayHttpResolver):
    """Powertools' resolver, with our problem documents for everything that is refused."""

    def __init__(self, *, body_bytes_max: int) -> None:
        """Take bodies up to this size."""
        super().__init__(enable_validation=True, serializer=_json_text)
        self.body_bytes_max = body_bytes_max
        self._request_validation_middleware = _StrictBodies()  # type: ignore[no-untyped-call]
        self.exception_handler(NotFoundError)(self._no_such_route)
        self.exception_handler(list(_ANSWERS))(_refused)
        self.exception_handler(RequestValidationError)(_invalid)

    def raw_body(self) -> bytes:
        """Give the body's bytes as they came. Raises BodyTooLarge."""
        event = self.current_event
        body = event.body or ""
        raw = b64decode(body) if event.is_base64_encoded else body.encode("utf-8", "surrogatepass")
        if len(raw) > self.body_bytes_max:
            raise BodyTooLarge(self.body_bytes_max)
        return raw

    def claims(self) -> dict[str, Any] | None:
        """Give the claims of the token that the authorizer has checked; None where there was none to check."""
        authorizer = self.current_event.raw_event.get("requestContext", {}).get("authorizer") or {}
        claims: dict[str, Any] | None = (authorizer.get("jwt") or {}).get("claims")
        return claims

    def _no_such_route(self, _: NotFoundError) -> Response[str]:
        path = self.current_event.path
        routes = (*self._static_routes, *self._dynamic_routes)
        methods = sorted({route.method for route in routes if route.rule.match(path)})
        if not methods:
            return problem(HTTPStatus.NOT_FOUND, "not-found", "There is nothing here", f"No route leads to {path}.")
        allowed = ", ".join(methods)
        if self.current_event.http_method == "OPTIONS":
            # A preflight may come through $default; the HTTP API puts the CORS headers on whatever 2xx is answered.
            return Response(HTTPStatus.NO_CONTENT, headers={"Allow": allowed})
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", f"{path} takes {allowed}.", headers={"Allow": allowed})


def answer(status: HTTPStatus, body: object, headers: dict[str, str] | None = None) -> Response[str]:
    """Answer with a JSON document."""
    return Response(status, "application/json", _json_text(body), headers=dict(headers or {}))


def problem(
    status: HTTPStatus,
    slug: str,
    title: str,
    detail: str,
    *,
    field_errors: Sequence[FieldError] = (),
    retry_after_seconds: int | None = None,
    members: Mapping[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[str]:
    """Answer with a problem document, and with members of its own where numbers say it best. Whatever is refused here charges nothing, and says so."""
    document: dict[str, Any] = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status.value,
        "detail": detail,
        "retryable": retry_after_seconds is not None,
        "charged": 0,
        **(members or {}),
    }
    if field_errors:
        document["errors"] = [{"field": error.field, "message": error.message} for error in field_errors]
    all_headers = dict(headers or {})
    if retry_after_seconds is not None:
        all_headers["Retry-After"] = str(retry_after_seconds)
    return Response(status, "application/problem+json", _json_text(document), headers=all_headers)


def _refused(error: errors.DarkroomError) -> Response[str]:
    status, slug, title, detail = _ANSWERS[type(error)]
    return problem(
        status,
        slug,
        title,
        detail or _detail(error),
        field_errors=error.errors if isinstance(error, errors.InvalidRequest) else (),
        retry_after_seconds=_RETRY_AFTER_SECONDS.get(type(error)),
        members=_members(error),
    )


def _detail(error: errors.DarkroomError) -> str:
    match error:
        case errors.InsufficientCredits(required=required, available=available):
            return f"The job costs {required} credits and {available} are available: {required - available} are missing."
        case errors.TooManyJobs():
            return f"{error.in_flight_max} jobs of this account are in flight, which is the limit. Submit again when one has ended."
        case errors.JobIsFinal():
            return f"The job is {error} already."
        case errors.NotFound():
            return f"There is no such {error}."
        case BodyTooLarge():
            return f"The body may have at most {error.bytes_max} bytes."
        case _:
            return str(error)


def _members(error: errors.DarkroomError) -> dict[str, int]:
    match error:
        case errors.InsufficientCredits(required=required, available=available):
            return {"required": required, "available": available, "missing": required - available}
        case _:
            return {}


_RETRY_AFTER_SECONDS: dict[type[errors.DarkroomError], int] = {
    errors.TooManyJobs: BUSY_RETRY_AFTER_SECONDS,
    errors.Paused: PAUSED_RETRY_AFTER_SECONDS,
    errors.JobIsOpen: BUSY_RETRY_AFTER_SECONDS,
    errors.WebhookSecretMissing: BUSY_RETRY_AFTER_SECONDS,
}
_ANSWERS: dict[type[errors.DarkroomError], tuple[HTTPStatus, str, str, str]] = {
    errors.InvalidRequest: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "The request is not valid", ""),
    errors.IdempotencyKeyReused: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency-key-reused",
        "The Idempotency-Key was used for another body",
        "Use a new Idempotency-Key for a new request, and the same one only to repeat the same bytes.",
    ),
    errors.InsufficientCredits: (HTTPStatus.PAYMENT_REQUIRED, "insufficient-credits", "Not enough credits", ""),
    errors.TooManyJobs: (HTTPStatus.TOO_MANY_REQUESTS, "too-many-jobs", "Too many jobs in flight", ""),
    errors.Paused: (HTTPStatus.SERVICE_UNAVAILABLE, "paused", "No jobs are taken at the moment", "Jobs that were accepted go on. Submit again later."),
    errors.JobIsFinal: (HTTPStatus.CONFLICT, "job-is-final", "The job has ended", ""),
    errors.JobIsOpen: (HTTPStatus.CONFLICT, "job-is-open", "The job is still open", ""),
    errors.NotSignedIn: (HTTPStatus.UNAUTHORIZED, "not-signed-in", "Not signed in", "Send an ID token as Authorization: Bearer <token>."),
    errors.Forbidden: (HTTPStatus.FORBIDDEN, "forbidden", "Not allowed", ""),
    errors.NotFound: (HTTPStatus.NOT_FOUND, "not-found", "There is nothing here", ""),
    errors.WebhookRejected: (HTTPStatus.UNAUTHORIZED, "webhook-rejected", "The webhook was refused", "It is not signed, or signed too long ago."),
    errors.WebhookSecretMissing: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "webhook-secret-missing",
        "Webhooks cannot be verified yet",
        "The stack has no webhook secret yet.",
    ),
    NotJson: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Not JSON", "Send the body as Content-Type: application/json."),
    BodyTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", "The body is too large", ""),
}


def _invalid(error: RequestValidationError) -> Response[str]:
    field_errors = [FieldError(_field_name(found["loc"]), f"{found['msg']}.") for found in error.errors()]
    return _refused(errors.InvalidRequest(field_errors))


def _field_name(location: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in location[1:]) or str(location[0])


def _json_object(body: bytes) -> dict[str, Any]:
    """Read a body as RFC 8259 has JSON: UTF-8, no NaN, and only text that can be written as UTF-8 again. Raises InvalidRequest."""
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_such_number, object_pairs_hook=_each_once)
        _json_text(document).encode()
    except json.JSONDecodeError as error:
        raise errors.InvalidRequest([FieldError("body", f"Is not JSON: {error.msg} at character {error.pos}.")]) from None
    except (RecursionError, ValueError):
        # A lone surrogate, a number of thousands of digits, bytes that are no UTF-8.
        raise errors.InvalidRequest([FieldError("body", "Must be UTF-8 text without lone surrogates, huge numbers or deep nesting.")]) from None
    if not isinstance(document, dict):
        raise errors.InvalidRequest([FieldError("body", "Must be a JSON object.")])
    return document


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that comes twice: whoever reads the other value has been told something else (RFC 8259, section 4)."""
    document = dict(members)
    if len(document) < len(members):
        names = [name for name, _ in members]
        raise errors.InvalidRequest([FieldError(name, "Comes more than once.") for name in document if names.count(name) > 1])
    return document


def _no_such_number(name: str) -> NoReturn:
    raise errors.InvalidRequest([FieldError("body", f"{name} is not a JSON number.")])


def _json_text(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
