"""Workflow state RequestPrediction: make sure that a prediction exists and park the task token."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import NoReturn
from urllib.parse import quote

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.adapters import job_store, workflow
from darkroom.adapters.workflow import JobKey, key_of_event
from darkroom.domain.errors import ComeBackLater, GenerationFailed, ProviderBusy, ProviderUnavailable
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Attempt, Job, lap_name, same_entry
from darkroom.domain.predictions import Prediction, PredictionStatus
from darkroom.domain.recovery import over_at
from darkroom.domain.references import Reference
from darkroom.observability import logger, metrics, tracer
from darkroom.providers import Provider, provider_named
from darkroom.settings import settings

# Longer than this function's own time-out: when it is over, nobody is asking any more.
_LEASE_SECONDS = 35
_UNANSWERED_SECONDS = 3
_ASKS_MAX = 5


class Lap(JobKey):
    """The state's input."""

    task_token: str
    entered_at: str
    retry_count: int


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: Lap, context: LambdaContext) -> None:  # noqa: ARG001 (Lambda passes it)
    """Park the token first, then ask the provider, or look how it is doing if it was asked before."""
    now = clock.now()
    job = job_store.read(*key_of_event(event))
    logger.append_keys(job_id=job.job_id)
    lap = lap_name(datetime.fromisoformat(event["entered_at"]), event["retry_count"])
    if not job_store.park_token(job, event["task_token"], lap, look_at=over_at(job)):
        _step_aside(job, event["task_token"])
        return
    with job_store.failures_noted(job):
        if now >= job.deadline_at:
            raise GenerationFailed(failure(FailureCode.DEADLINE_EXCEEDED))
        prediction = _prediction_of(job, lap, now)
    if prediction and prediction.status is not PredictionStatus.RUNNING:
        workflow.wake(event["task_token"])


def _step_aside(job: Job, task_token: str) -> None:
    """Let a job that is final go on to StoreOutput, which finds nothing to do, and leave a token older than the parked one to its time-out."""
    if job_store.read(job.account, job.job_id).status.is_final:
        workflow.wake(task_token)


def _prediction_of(job: Job, lap: str, now: datetime) -> Prediction | None:
    """Make sure that there is a prediction, and say how it is doing; None when another sandbox is asking for it."""
    provider = provider_named(job.work.provider)
    attempt = job.attempt
    try:
        if attempt is None:
            lease_until = now + timedelta(seconds=_LEASE_SECONDS)
            attempt = job_store.begin_attempt(job, lap, lease_until=lease_until, now=now)
            return _ask(provider, job, attempt, now) if attempt else None
        if attempt.prediction_id:
            return provider.get(attempt.prediction_id)
        return _look_for(provider, job, attempt, lap, now)
    except ProviderBusy as busy:
        _come_back_after(busy.retry_after_seconds * random.uniform(1, 1.5), now)  # noqa: S311 (jitter is no secret)


def _look_for(provider: Provider, job: Job, attempt: Attempt, lap: str, now: datetime) -> Prediction | None:
    """After an answer that nobody knows: look for the prediction, and ask again only in a later lap, when nobody can be asking any more."""
    if not attempt.withdrawn:
        found = provider.find(webhook_url=_webhook_url(job, attempt), since=attempt.asked_at - timedelta(minutes=1))
        if found:
            return _noted(provider, job, attempt, found, now)
        if same_entry(attempt.lap, lap) or now < attempt.lease_until:
            _come_back_after(max(_UNANSWERED_SECONDS, (attempt.lease_until - now).total_seconds()), now)
        if attempt.asks_count >= _ASKS_MAX:
            raise GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE))
    renewed = job_store.renew_attempt(job, attempt, lap, lease_until=now + timedelta(seconds=_LEASE_SECONDS), now=now)
    return _ask(provider, job, renewed, now) if renewed else None


def _ask(provider: Provider, job: Job, attempt: Attempt, now: datetime) -> Prediction:
    try:
        created = provider.request(job.work, webhook_url=_webhook_url(job, attempt), cancel_after_seconds=int((job.deadline_at - now).total_seconds()))
    except ProviderBusy:
        job_store.withdraw_attempt(job, attempt, now=now)
        raise
    except ProviderUnavailable as error:
        logger.warning("the provider gave no answer", cause=str(error), asks=attempt.asks_count)
        patience = _UNANSWERED_SECONDS * 2 ** (attempt.asks_count - 1)
        until = clock.now() + timedelta(seconds=patience)
        job_store.end_lease(job, attempt, until=until)
        _come_back_after(patience, clock.now())
    return _noted(provider, job, attempt, created, now)


def _noted(provider: Provider, job: Job, attempt: Attempt, prediction: Prediction, now: datetime) -> Prediction:
    """Note the prediction's id, once. If another one is on the record already, this one is a stray, and is stopped."""
    if not job_store.note_prediction(job, attempt, prediction.prediction_id, now=now):
        known = job_store.read(job.account, job.job_id).attempts[attempt.number - 1].prediction_id
        if known and known != prediction.prediction_id:
            logger.warning("stray prediction", prediction_id=prediction.prediction_id)
            metrics.add_metric("StrayPredictions", "Count", 1)
            provider.cancel(prediction.prediction_id)
            return provider.get(known)
    return prediction


def _webhook_url(job: Job, attempt: Attempt) -> str | None:
    if not settings().public_url:
        return None
    reference = Reference(job.account, job.job_id, attempt.nonce)
    return f"{settings().public_url}/webhooks/{job.work.provider}?job={quote(str(reference), safe='')}"


def _come_back_after(seconds: float, now: datetime) -> NoReturn:
    # Step Functions waits until a whole second, so a part of one is rounded up.
    raise ComeBackLater(now + timedelta(seconds=seconds + 1))
