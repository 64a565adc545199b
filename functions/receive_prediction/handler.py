"""Replicate's webhook: verify the signature, record the status and resume the workflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.api.app import HttpApi
from darkroom.api.responses import json_response
from darkroom.aws import step_functions
from darkroom.domain.errors import FieldError, InvalidRequest, NotFound, WebhookRejected
from darkroom.domain.ids import is_prediction_id
from darkroom.domain.jobs import Attempt, Job
from darkroom.domain.predictions import is_final_at_replicate
from darkroom.domain.references import Reference
from darkroom.observability import logger, metrics, tracer
from darkroom.providers import webhook_signature
from darkroom.services.finish_job import cancel_orphan
from darkroom.settings import settings
from darkroom.storage import jobs

app = HttpApi(body_bytes_max=settings().webhook_body_bytes_max)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one webhook."""
    return app.resolve(event, context)


@app.post("/webhooks/replicate")
def receive_prediction() -> Response[str]:
    """Believe nothing that is not signed; note the prediction's id and its end; resume the workflow."""
    body = app.raw_body()
    webhook_signature.verify(settings().replicate_webhook_secret, app.current_event.headers, body, age_seconds_max=settings().webhook_age_seconds_max)
    reference = _reference(app.current_event.query_string_parameters.get("job"))
    record, attempt = _attempt_of(reference)
    said = _what_it_says(body)
    logger.append_keys(job_id=record.job_id)
    return json_response(HTTPStatus.OK, {"noted": _note(record, attempt, said) if said.is_for(reference) else _cancel_orphan(record, said)})


@dataclass(frozen=True, slots=True)
class _Said:
    """What a webhook says of a prediction. Replicate echoes the address that it was asked to call."""

    prediction_id: str
    status: str
    webhook_url: str | None

    def is_for(self, reference: Reference) -> bool:
        """Whether it was meant for whom it came to. A prediction that came to another job must not become that job's own."""
        return self.webhook_url is None or str(reference) in unquote(self.webhook_url)


def _reference(text: str | None) -> Reference:
    try:
        return Reference.parse(text or "")
    except ValueError:
        raise NotFound("job") from None


def _attempt_of(reference: Reference) -> tuple[Job, Attempt]:
    record = jobs.read(reference.account, reference.job_id)
    for attempt in record.attempts:
        if attempt.nonce == reference.nonce:
            return record, attempt
    raise WebhookRejected("nonce")


def _what_it_says(body: bytes) -> _Said:
    try:
        document = json.loads(body)
        prediction_id, status, webhook_url = document["id"], document["status"], document.get("webhook")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        prediction_id = status = webhook_url = None
    if not (isinstance(prediction_id, str) and is_prediction_id(prediction_id) and isinstance(status, str)):
        raise InvalidRequest([FieldError("body", "Must be a prediction with an id and a status.")])
    return _Said(prediction_id, status, webhook_url if isinstance(webhook_url, str) else None)


def _cancel_orphan(job: Job, said: _Said) -> str:
    cancel_orphan(job, said.prediction_id)
    return "stray"


def _note(job: Job, attempt: Attempt, said: _Said) -> str:
    now = clock.now()
    if not jobs.record_prediction(job, attempt, said.prediction_id, now=now):
        job = jobs.read(job.account, job.job_id)
        if job.attempts[attempt.number - 1].prediction_id != said.prediction_id:
            return _cancel_orphan(job, said)
    if job.status.is_final:
        return "late"
    if not is_final_at_replicate(said.status):
        return "started"
    jobs.record_finished(job, attempt, now=now)
    job = jobs.read(job.account, job.job_id)
    if attempt.number < len(job.attempts) or job.task_token is None:
        return "late"
    return "finished" if step_functions.resume(job.task_token) else "late"
