"""Builders of test data, with defaults for each value that a test does not check."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from uuid6 import uuid7

from darkroom import catalog
from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.domain.parameters import check_parameters
from darkroom.domain.prices import Prices
from darkroom.domain.templates import new_job
from darkroom.settings import settings
from darkroom.storage import grants, jobs, ledger
from tests.aws import CONTEXT, handler_of
from tests.contract import must_be_as_described

ANN = AccountId("web", "ann")
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def image_job(
    *,
    account: AccountId = ANN,
    template: str = "flux-schnell",
    now: datetime | None = None,
    **parameters: Any,
) -> Job:
    """Return a job that is not stored."""
    prices = Prices(
        settings().default_image_credit_cost,
        settings().default_video_credit_cost,
        settings().high_quality_multiplier,
    )
    available = catalog.template(template)
    checked = check_parameters(
        available, {"prompt": "a lighthouse at dawn", **parameters}, prompt_characters_max=5_000
    )
    return new_job(
        available,
        checked,
        account=account,
        job_id=str(uuid7()),
        prices=prices,
        now=now or datetime.now(UTC),
        queue_seconds_max=settings().queue_seconds_max,
    )


def open_account(credits: int, account: AccountId = ANN) -> AccountId:
    """Grant credits to an account and return the account."""
    grants.grant(
        account, credits, reason="welcome", reference=f"opening {account}", now=datetime.now(UTC)
    )
    return account


def held_job(*, credits: int = 100, **parameters: Any) -> Job:
    """Store a job of an account with credits. The job's credits are held."""
    job = image_job(**parameters)
    open_account(credits, job.account)
    return ledger.hold(job, key=None, now=job.created_at)[0]


def stored(job: Job) -> Job:
    """Read the job's current record."""
    return jobs.read(job.account, job.job_id)


def http_event(
    method: str,
    path: str,
    *,
    body: object = None,
    user: str | None = "ann",
    headers: dict[str, str] | None = None,
    query: str = "",
    **claims: str,
) -> dict[str, Any]:
    """Return an HTTP API event, payload format 2.0, with the claims of an authorized user."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", **(headers or {})},
        "queryStringParameters": _joined(part.split("=", 1) for part in query.split("&"))
        if query
        else None,
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
            "requestId": "request",
            "stage": "$default",
        },
        "body": body if isinstance(body, str) or body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
    if user is not None:
        event["requestContext"]["authorizer"] = {
            "jwt": {"claims": {"sub": user, "token_use": "id", **claims}, "scopes": None}
        }
    return event


def _joined(parameters: Iterable[Sequence[str]]) -> dict[str, str]:
    """Join the values of a repeated parameter by commas, as API Gateway does."""
    joined: dict[str, str] = {}
    for name, value in parameters:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def call_api(method: str, path: str, **event: Any) -> tuple[int, Any, dict[str, str]]:
    """Call the function `api`. Return the status, the document and the headers of the response."""
    response = handler_of("api")(http_event(method, path, **event), CONTEXT)
    text, headers = response.get("body"), response["headers"]
    must_be_as_described(method, path, response["statusCode"], headers, text or "")
    return (
        response["statusCode"],
        json.loads(text) if text and "json" in headers["Content-Type"] else text or None,
        headers,
    )


def until[Result](read: Callable[[], Result | None], *, seconds: float = 20.0) -> Result:
    """Call `read` until it returns a true value, and return the value. Fails after `seconds`."""
    give_up_at = time.monotonic() + seconds
    while not (result := read()):
        assert time.monotonic() < give_up_at, f"no result within {seconds} seconds"
        time.sleep(0.05)
    return result
