"""Receives Replicate's webhooks: verifies them, records the prediction, resumes the workflow.

A webhook never delivers a result: the state StoreOutput reads the prediction from Replicate.
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
from darkroom.services import dispatch, spend
from darkroom.services.cancel_predictions import cancel_orphan
from darkroom.settings import settings
from darkroom.storage import attempts, jobs


@dataclass(frozen=True, slots=True)
class _Payload:
    """The fields of a webhook. `webhook_url` is the URL that Darkroom sent with the request."""

    prediction_id: str
    status: str
    webhook_url: str | None

    def is_for(self, reference: Reference) -> bool:
        """Return whether the prediction was requested for this attempt.

        Without this check, the webhook of one job could record its prediction on another job.
        """
        return self.webhook_url is None or str(reference) in unquote(self.webhook_url)


def receive_webhook(reference_text: str | None, headers: Mapping[str, str], body: bytes) -> str:
    """Record the prediction that a webhook reports on, and resume the workflow if it has ended.

    Returns "started" (not ended), "finished" (workflow resumed), "late" (no effect on the
    workflow) or "stray" (an orphan prediction). Raises WebhookRejected, WebhookSecretMissing,
    NotFound if the job does not exist, and InvalidRequest if the body is not a prediction.
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
    if attempts.record_prediction(job, attempt, payload.prediction_id, now=now):
        spend.record(job, now=now)
    else:
        job = jobs.read(job.account, job.job_id)
        if job.attempts[attempt.number - 1].prediction_id != payload.prediction_id:
            return _orphan(job, payload)
    if job.status.is_final:
        return "late"
    if not is_final_at_replicate(payload.status):
        return "started"
    # A prediction that failed may be retried, and the second attempt keeps the slot.
    is_freed = payload.status == "succeeded" and attempts.record_success(job, attempt, now=now)
    if payload.status != "succeeded":
        attempts.record_finished(job, attempt, now=now)
    effect = _resume(job, attempt)
    if is_freed:
        dispatch.dispatch_after(job, attempt, now=now)
    return effect


def _resume(job: Job, attempt: Attempt) -> str:
    job = jobs.read(job.account, job.job_id)
    if attempt.number < len(job.attempts) or job.task_token is None:
        return "late"
    return "finished" if step_functions.resume(job.task_token) else "late"
