"""Records each refused request: one line in the log, and the metrics of refusals.

The line has no body, no header, no query and no token. So it has no prompt and no secret. The lines
about errors of the API name their request by the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from darkroom.api.auth import current_user
from darkroom.api.problems import problem_of
from darkroom.domain.errors import (
    DarkroomError,
    Forbidden,
    LimitReached,
    RequestError,
    WebhookRejected,
    WebhookSecretMissing,
)
from darkroom.observability import Metric, count, logger


def record_refusal(
    error: DarkroomError, event: Mapping[str, Any], claims: Mapping[str, Any] | None
) -> None:
    """Log the account, the route and the reason of a refused request, and count the refusal.

    The line about a limit also names the act.
    """
    problem = problem_of(error)
    act: dict[str, Any] = {"act": error.act} if isinstance(error, LimitReached) else {}
    is_webhook = isinstance(error, WebhookRejected | WebhookSecretMissing)
    log = logger.warning if is_webhook else logger.info
    log(
        "webhook refused" if is_webhook else "request refused",
        problem=problem.slug,
        status=HTTPStatus(problem.status).value,
        reason=_reason(error),
        **request_fields(event, claims),
        **act,
    )
    count(Metric.WEBHOOKS_REJECTED if is_webhook else Metric.REQUESTS_REFUSED)
    if isinstance(error, LimitReached):
        count(Metric.LIMITS_REACHED)


def request_fields(event: Mapping[str, Any], claims: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a log line about a request. Its `request_id` is in the access log too.

    `event` is the request in the payload format 2.0 of an HTTP API.
    """
    context = event.get("requestContext", {})
    return {
        "account": _account(claims),
        "method": context.get("http", {}).get("method"),
        "route": event.get("routeKey"),
        "request_id": context.get("requestId"),
    }


def _reason(error: DarkroomError) -> str | None:
    """Return the message of an error whose messages have no text of the caller."""
    return str(error) if isinstance(error, Forbidden | WebhookRejected) else None


def _account(claims: Mapping[str, Any] | None) -> str | None:
    """Return the account of the request, or None without a token that names an account."""
    try:
        return str(current_user(claims).account)
    except RequestError:
        return None
