"""Builders: what a test needs, with defaults for everything that it is not about."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from uuid6 import uuid7

from darkroom import catalog
from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.domain.parameters import check_parameters
from darkroom.domain.pricing import Prices
from darkroom.domain.templates import new_job
from darkroom.settings import settings
from darkroom.storage import jobs, ledger
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
    """A job that is not written anywhere yet."""
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
    )


def open_account(credits: int, account: AccountId = ANN) -> AccountId:
    """An account with credits available."""
    ledger.grant(
        account, credits, reason="welcome", reference=f"opening {account}", now=datetime.now(UTC)
    )
    return account


def held_job(*, credits: int = 100, **parameters: Any) -> Job:
    """A job of an account with credits, its own credits held."""
    job = image_job(**parameters)
    open_account(credits, job.account)
    return ledger.hold(job, key=None, now=job.created_at)[0]


def stored(job: Job) -> Job:
    """The job as its record has it now."""
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
    """An HTTP API event, payload format 2.0, as the authorizer lets it through for this user."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", **(headers or {})},
        "queryStringParameters": dict(part.split("=", 1) for part in query.split("&"))
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


def call_api(method: str, path: str, **event: Any) -> tuple[int, Any, dict[str, str]]:
    """Call the api function, and give the status, the document and the headers of its answer."""
    answer = handler_of("api")(http_event(method, path, **event), CONTEXT)
    must_be_as_described(
        method, path, answer["statusCode"], answer["headers"], answer.get("body") or ""
    )
    text, headers = answer.get("body"), answer["headers"]
    return (
        answer["statusCode"],
        json.loads(text) if text and "json" in headers["Content-Type"] else text or None,
        headers,
    )


def until[Result](look: Callable[[], Result | None], *, seconds: float = 20.0) -> Result:
    """Look until there is something to see; fails after this time."""
    give_up_at = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < give_up_at, "it did not come to pass in time"
        time.sleep(0.05)
    return seen
