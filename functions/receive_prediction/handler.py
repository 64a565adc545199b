"""Replicate's webhook: verify it, note what it says, wake the workflow."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.adapters import job_store, webhooks, workflow
from darkroom.adapters.ending import stop_stray
from darkroom.adapters.http_api import HttpApi, answer
from darkroom.domain.accounts import is_safe_id
from darkroom.domain.errors import FieldError, InvalidRequest, NotFound, WebhookRejected
from darkroom.domain.jobs import Attempt, Job
from darkroom.domain.predictions import is_final_at_replicate
from darkroom.domain.references import Reference
from darkroom.observability import logger, metrics, tracer
from darkroom.settings import settings

app = HttpApi(body_bytes_max=settings().webhook_body_bytes_max)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one webhook."""
    return app.resolve(event, context)


@app.post("/webhooks/replicate")
def receive_prediction() -> Response[str]:
    """Believe nothing that is not signed; note the prediction's id and its end; wake whoever sleeps on the job."""
    body = app.raw_body()
    webhooks.verify(settings().replicate_webhook_secret, app.current_event.headers, body, age_seconds_max=settings().webhook_age_seconds_max)
    record, attempt = _attempt_of(app.current_event.query_string_parameters.get("job"))
    prediction_id, status = _what_it_says(body)
    logger.append_keys(job_id=record.job_id)
    return answer(HTTPStatus.OK, {"noted": _note(record, attempt, prediction_id, status)})


def _attempt_of(reference: str | None) -> tuple[Job, Attempt]:
    try:
        known = Reference.parse(reference or "")
    except ValueError:
        raise NotFound("job") from None
    record = job_store.read(known.account, known.job_id)
    for attempt in record.attempts:
        if attempt.nonce == known.nonce:
            return record, attempt
    raise WebhookRejected("nonce")


def _what_it_says(body: bytes) -> tuple[str, str]:
    try:
        document = json.loads(body)
        prediction_id, status = document["id"], document["status"]
    except (ValueError, KeyError, TypeError, RecursionError):
        prediction_id = status = None
    if not (isinstance(prediction_id, str) and is_safe_id(prediction_id) and isinstance(status, str)):
        raise InvalidRequest([FieldError("body", "Must be a prediction with an id and a status.")])
    return prediction_id, status


def _note(job: Job, attempt: Attempt, prediction_id: str, status: str) -> str:
    now = clock.now()
    if not job_store.note_prediction(job, attempt, prediction_id, now=now):
        job = job_store.read(job.account, job.job_id)
        if job.attempts[attempt.number - 1].prediction_id != prediction_id:
            stop_stray(job, prediction_id)
            return "stray"
    if job.status.is_final:
        return "late"
    if not is_final_at_replicate(status):
        return "started"
    job_store.note_finished(job, attempt, now=now)
    job = job_store.read(job.account, job.job_id)
    if attempt.number < len(job.attempts) or job.task_token is None:
        return "late"
    return "finished" if workflow.wake(job.task_token) else "late"
