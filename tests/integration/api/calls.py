"""Requests to the HTTP API and checks of its responses, for the tests of this folder."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, Output
from darkroom.storage import jobs, ledger
from tests.aws import CONTEXT, handler_of
from tests.builders import ANN, call_api, held_job, http_event, stored

ADMIN = {"user": "root", "cognito:groups": "[admin]"}
BODY: dict[str, Any] = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse"}}
JOB_KEYS = {
    "id",
    "status",
    "template",
    "parameters",
    "credits",
    "outputs",
    "links_expire_at",
    "error",
    "metadata",
    "queue_until",
    "queue",
    "deadline_at",
    "attempts",
    "waiting_since",
    "cancel_requested_at",
    "created_at",
    "started_at",
    "finished_at",
    "processing_seconds",
}


def request_body(**parameters: Any) -> dict[str, Any]:
    """Return the body of a valid request, with other or more parameters."""
    return {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse", **parameters}}


def submit(**event: Any) -> tuple[int, Any, dict[str, str]]:
    """Submit a job. Returns the status, the document and the headers of the response."""
    return call_api("POST", "/jobs", **({"body": BODY} | event))


def submit_bytes(raw: bytes) -> tuple[int, Any]:
    """Submit a body in base64, as API Gateway passes a binary body."""
    event = http_event("POST", "/jobs") | {
        "body": base64.b64encode(raw).decode(),
        "isBase64Encoded": True,
    }
    response = handler_of("api")(event, CONTEXT)
    return response["statusCode"], json.loads(response["body"])


def error_fields(problem: dict[str, Any]) -> list[str]:
    """Return the names of the fields that the problem refuses."""
    return [error["field"] for error in problem["errors"]]


def assert_is_problem(status: int, problem: dict[str, Any], headers: dict[str, str]) -> None:
    """Check that the response is a complete problem that charged nothing."""
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem["detail"]
    assert problem["charged"] == 0
    assert problem["retryable"] is ("Retry-After" in headers)


def assert_nothing_charged(available: int = 100) -> None:
    """Check that the account has these credits, and no hold and no job."""
    balance = ledger.balance(ANN)
    assert (balance.available, balance.held, balance.spent, balance.jobs_total) == (
        available,
        0,
        0,
        0,
    )


def finished_job(*, outputs_count: int = 1) -> Job:
    """Return an ended job with this number of outputs: completed, or failed without outputs."""
    job = held_job(num_outputs=max(outputs_count, 1))
    for number in range(outputs_count):
        key = f"media/web/ann/{job.job_id}/{number}.webp"
        jobs.record_output(
            stored(job),
            Output(
                number=number,
                key=key,
                content_type="image/webp",
                bytes=7,
                width=8,
                height=9,
                thumbnail_key=key + ".thumbnail.jpg",
            ),
        )
    return ledger.resolve(
        ANN, job.job_id, reason=failure(FailureCode.REFUSED), now=datetime.now(UTC)
    )
