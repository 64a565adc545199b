"""Calls of the HTTP API, and checks of its responses, that several tests share."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, Output
from darkroom.storage import jobs, ledger
from tests.aws import CONTEXT, handler_of
from tests.builders import (
    ANN,
    call_api,
    held_job,
    http_event,
    stored,
)

ADMIN = {"user": "root", "cognito:groups": "[admin]"}


BODY: dict[str, Any] = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse"}}


JOB_KEYS = {
    "id", "status", "template", "parameters", "credits", "outputs", "links_expire_at", "error", "metadata", "deadline_at", "attempts",
    "waiting_since", "cancel_requested_at", "created_at", "started_at", "finished_at", "processing_seconds",
}  # fmt: skip


def body(**parameters: Any) -> dict[str, Any]:
    return {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse", **parameters}}


def submit(**event: Any) -> tuple[int, Any, dict[str, str]]:
    return call_api("POST", "/jobs", **({"body": BODY} | event))


def submit_bytes(raw: bytes) -> tuple[int, Any]:
    """Submit a body that is no text, as the HTTP API hands it over."""
    event = http_event("POST", "/jobs") | {
        "body": base64.b64encode(raw).decode(),
        "isBase64Encoded": True,
    }
    answer = handler_of("api")(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"])


def fields(problem: dict[str, Any]) -> list[str]:
    return [error["field"] for error in problem["errors"]]


def assert_is_problem(status: int, problem: dict[str, Any], headers: dict[str, str]) -> None:
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem["detail"]
    assert problem["charged"] == 0
    assert problem["retryable"] is ("Retry-After" in headers)


def assert_nothing_charged(available: int = 100) -> None:
    balance = ledger.balance(ANN)
    assert (balance.available, balance.held, balance.spent, balance.jobs_total) == (
        available,
        0,
        0,
        0,
    )


def finished_job(*, outputs_count: int = 1) -> Job:
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
