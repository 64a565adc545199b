"""Replicate's webhook: verify it, record the prediction's id and its end, and resume the workflow.

Nothing that a webhook says becomes a result: StoreOutput reads the prediction from Replicate itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from darkroom import clock
from darkroom.aws import step_functions
from darkroom.domain.errors import FieldError, InvalidRequest, NotFound, WebhookRejected
from darkroom.domain.ids import is_prediction_id
from darkroom.domain.jobs import Attempt, Job
from darkroom.domain.predictions import is_final_at_replicate
from darkroom.domain.references import Reference
from darkroom.observability import logger
from darkroom.providers import webhook_signature
from darkroom.services.cancel_predictions import cancel_orphan
from darkroom.settings import settings
from darkroom.storage import jobs


@dataclass(frozen=True, slots=True)
class _Payload:
    """What a webhook says of a prediction. Replicate repeats in it the URL that it was given to call."""

    prediction_id: str
    status: str
    webhook_url: str | None

    def is_for(self, reference: Reference) -> bool:
        """Return whether the prediction was requested for this attempt. A prediction must not become another job's."""
        return self.webhook_url is None or str(reference) in unquote(self.webhook_url)


def receive_webhook(reference_text: str | None, headers: Mapping[str, str], body: bytes) -> str:
    """Record what a webhook says, and return what became of it: "started", "finished", "late" or "stray".

    Raises WebhookRejected, WebhookSecretMissing, NotFound for a job that does not exist, and InvalidRequest for a body that is no prediction.
    """
    webhook_signature.verify(
        settings().replicate_webhook_secret,
        headers,
        body,
        age_seconds_max=settings().webhook_age_seconds_max,
    )
    reference = _parse_reference(reference_text)
    job, attempt = _attempt_of(reference)
    payload = _parse_payload(body)
    logger.append_keys(job_id=job.job_id)
    return _record(job, attempt, payload) if payload.is_for(reference) else _orphan(job, payload)


def _parse_reference(text: str | None) -> Reference:
    try:
        return Reference.parse(text or "")
    except ValueError:
        raise NotFound("job") from None


def _attempt_of(reference: Reference) -> tuple[Job, Attempt]:
    job = jobs.read(reference.account, reference.job_id)
    for attempt in job.attempts:
        if attempt.nonce == reference.nonce:
            return job, attempt
    raise WebhookRejected("nonce")


def _parse_payload(body: bytes) -> _Payload:
    try:
        document = json.loads(body)
        prediction_id, status, webhook_url = (
            document["id"],
            document["status"],
            document.get("webhook"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        prediction_id = status = webhook_url = None
    if not (
        isinstance(prediction_id, str)
        and is_prediction_id(prediction_id)
        and isinstance(status, str)
    ):
        raise InvalidRequest([FieldError("body", "Must be a prediction with an id and a status.")])
    return _Payload(prediction_id, status, webhook_url if isinstance(webhook_url, str) else None)


def _orphan(job: Job, payload: _Payload) -> str:
    cancel_orphan(job, payload.prediction_id)
    return "stray"


def _record(job: Job, attempt: Attempt, payload: _Payload) -> str:
    now = clock.now()
    if not jobs.record_prediction(job, attempt, payload.prediction_id, now=now):
        job = jobs.read(job.account, job.job_id)
        if job.attempts[attempt.number - 1].prediction_id != payload.prediction_id:
            return _orphan(job, payload)
    if job.status.is_final:
        return "late"
    if not is_final_at_replicate(payload.status):
        return "started"
    jobs.record_finished(job, attempt, now=now)
    job = jobs.read(job.account, job.job_id)
    if attempt.number < len(job.attempts) or job.task_token is None:
        return "late"
    return "finished" if step_functions.resume(job.task_token) else "late"
