"""Workflow state RequestPrediction: make sure that a prediction exists and store the task token."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn
from urllib.parse import quote

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.aws import step_functions
from darkroom.aws.step_functions import JobKey, key_of_event
from darkroom.domain.errors import UNKNOWN_SECONDS, GenerationFailed, LookupUnsupported, NotFound, ProviderBusy, ProviderUnavailable, RetryLater
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Attempt, Job, is_same_state_entry, state_entry_name
from darkroom.domain.predictions import Prediction, PredictionRequest, PredictionStatus, may_retry, poll_seconds
from darkroom.domain.recovery import running_check_at
from darkroom.domain.references import Reference
from darkroom.media import bucket
from darkroom.observability import logger, metrics, tracer
from darkroom.providers import Provider, provider_named
from darkroom.services.finish_job import cancel_orphan
from darkroom.settings import settings
from darkroom.storage import jobs, provider_queue

# Of this function. Whoever has written an attempt down may be held up for so long, and ask at the last moment.
_TIMEOUT_SECONDS = 150
# When it is over, nobody is asking any more, and what was asked for shows.
_LEASE = timedelta(seconds=_TIMEOUT_SECONDS + UNKNOWN_SECONDS)
_RECHECK_SECONDS = 5
_CLOCKS_DIFFER = timedelta(minutes=1)


class RequestPredictionInput(JobKey):
    """The state's input."""

    task_token: str
    entered_at: str
    retry_count: int


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: RequestPredictionInput, context: LambdaContext) -> None:  # noqa: ARG001 (Lambda passes it)
    """Store the task token first, then ask the provider, or look how it is doing if it was asked before."""
    now = clock.now()
    job = jobs.read(*key_of_event(event))
    logger.append_keys(job_id=job.job_id)
    state_entry = state_entry_name(datetime.fromisoformat(event["entered_at"]), event["retry_count"])
    current = jobs.store_task_token(job, event["task_token"], state_entry, next_check_at=running_check_at(job, now))
    if current is None:
        _step_aside(job, event["task_token"])
        return
    with jobs.recording_failures(current):
        if current.cancel_wins:
            raise GenerationFailed(failure(FailureCode.CANCELED))
        prediction = _prediction_of(current, state_entry, now)
    if prediction and prediction.status is not PredictionStatus.RUNNING:
        step_functions.resume(event["task_token"])
    elif prediction and not _receives_webhooks(current):
        requested_at = current.attempt.requested_at if current.attempt else now
        _retry_after(poll_seconds(now - requested_at), current)


def _step_aside(job: Job, task_token: str) -> None:
    """Let a job that is final go on to StoreOutput, which finds nothing to do, and leave a token older than the stored one to its time-out."""
    if jobs.read(job.account, job.job_id).status.is_final:
        step_functions.resume(task_token)


def _prediction_of(job: Job, state_entry: str, now: datetime) -> Prediction | None:
    """Make sure that there is a prediction, and say how it is doing; None when another invocation is asking for it.

    The deadline ends what still runs, and forbids asking; what finished before it is never thrown away.
    """
    provider = provider_named(job.model_input.provider)
    try:
        prediction = _known_prediction(provider, job, state_entry, now)
        if prediction and may_retry(job, prediction, now=now):
            job, prediction = _closed(job, prediction, now), None
        prediction = prediction or _ask(provider, job, state_entry, now)
    except ProviderBusy as busy:
        if now >= job.deadline_at:
            raise GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE)) from busy
        _retry_after(busy.retry_after_seconds * random.uniform(1, 1.5), job)  # noqa: S311 (jitter is no secret)
    if prediction and prediction.status is PredictionStatus.RUNNING and now >= job.deadline_at:
        raise GenerationFailed(failure(FailureCode.DEADLINE_EXCEEDED))
    return prediction


def _known_prediction(provider: Provider, job: Job, state_entry: str, now: datetime) -> Prediction | None:
    """Give the prediction that the job has, or that an unanswered request may have made; None when it is sure that there is none."""
    attempt = job.attempt
    if attempt and attempt.prediction_id:
        return _poll(provider, job, attempt.prediction_id, now)
    if attempt is None or attempt.abandoned:
        return None
    found, is_told = _found(provider, job, attempt)
    if found:
        return _noted(provider, job, attempt, found)
    if is_same_state_entry(attempt.state_entry, state_entry) or now < attempt.lease_until:
        _retry_after(_RECHECK_SECONDS, job)
    if not is_told:
        # Asking again could be paying twice.
        raise GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE))
    return None


def _found(provider: Provider, job: Job, attempt: Attempt) -> tuple[Prediction | None, bool]:
    """Look for what an unanswered request may have made, and say whether the provider can tell at all."""
    try:
        return provider.find(_prediction_request(job, attempt)), True
    except LookupUnsupported:
        return None, False


def _closed(job: Job, prediction: Prediction, now: datetime) -> Job:
    """Close the latest attempt, whose prediction was interrupted, so that the next one is the second."""
    *earlier, latest = job.attempts
    logger.warning("prediction interrupted, asking once more", prediction_id=prediction.prediction_id)
    jobs.record_finished(job, latest, now=now)
    return replace(job, attempts=(*earlier, replace(latest, prediction_id=prediction.prediction_id, finished_at=now)))


def _poll(provider: Provider, job: Job, prediction_id: str, now: datetime) -> Prediction:
    try:
        return provider.get(prediction_id)
    except ProviderUnavailable as error:
        if now >= job.deadline_at:
            raise GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE)) from error
        _retry_after(_RECHECK_SECONDS, job)


def _ask(provider: Provider, job: Job, state_entry: str, now: datetime) -> Prediction | None:
    """Write the attempt down under a lease, then ask. None when another invocation holds the lease."""
    if now >= job.deadline_at:
        raise GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE if job.attempt else FailureCode.DEADLINE_EXCEEDED))
    if not provider_queue.acquire(job, now=now):
        jobs.record_waiting(job, now=now)
        raise ProviderBusy(provider_queue.enqueue(job, now=now))
    model_input = bucket.linked(job.model_input, inline_bytes_max=max(provider.INLINE_INPUT_BYTES_MAX, settings().inline_input_bytes_max))
    attempt = _written_down(job, state_entry)
    if attempt is None:
        return None
    try:
        created = provider.create(replace(_prediction_request(job, attempt), model_input=model_input))
    except ProviderBusy:
        now = clock.now()
        if attempt.requests_count == 1 or (job.attempt and job.attempt.abandoned):
            jobs.abandon_attempt(job, attempt, now=now)
        else:
            # This asking made nothing, but an earlier one may have, so the next state entry looks for it before it asks.
            jobs.expire_lease(job, attempt, until=now, now=now)
        raise
    except ProviderUnavailable as error:
        logger.warning("the provider gave no answer", cause=str(error), asks=attempt.requests_count)
        now = clock.now()
        jobs.expire_lease(job, attempt, until=now + timedelta(seconds=error.unknown_seconds), now=now)
        _retry_after(1, job)
    return _noted(provider, job, attempt, created)


def _written_down(job: Job, state_entry: str) -> Attempt | None:
    """Begin the next attempt, or take up again the one that led to no prediction. None when another invocation was quicker."""
    now = clock.now()
    if job.attempt and job.attempt.prediction_id is None:
        return jobs.retry_attempt(job, job.attempt, state_entry, lease_until=now + _LEASE, now=now)
    return jobs.begin_attempt(job, state_entry, lease_until=now + _LEASE, now=now)


def _noted(provider: Provider, job: Job, attempt: Attempt, prediction: Prediction) -> Prediction:
    """Note the prediction's id, once. If another one is on the record, or the job has ended without it, this one is a stray."""
    if jobs.record_prediction(job, attempt, prediction.prediction_id, now=clock.now()):
        return prediction
    try:
        known = jobs.read(job.account, job.job_id).attempts[attempt.number - 1].prediction_id
    except NotFound:
        # It ended without this prediction, and was deleted.
        known = None
    if known == prediction.prediction_id:
        return prediction
    cancel_orphan(job, prediction.prediction_id)
    return provider.get(known) if known else prediction


def _receives_webhooks(job: Job) -> bool:
    """Tell whether the end of the job's prediction will be told. Otherwise it is looked at now and then."""
    return bool(settings().public_url) and provider_named(job.model_input.provider).SUPPORTS_WEBHOOKS


def _prediction_request(job: Job, attempt: Attempt) -> PredictionRequest:
    return PredictionRequest(
        model_input=job.model_input,
        webhook_url=_webhook_url(job, attempt),
        key_prefix=bucket.prefix_of(job.account, job.job_id),
        created_after=job.created_at - _CLOCKS_DIFFER,
        cancel_after_seconds=int((job.deadline_at - clock.now()).total_seconds()),
    )


def _webhook_url(job: Job, attempt: Attempt) -> str | None:
    if not _receives_webhooks(job):
        return None
    reference = Reference(job.account, job.job_id, attempt.nonce)
    return f"{settings().public_url}/webhooks/{job.model_input.provider}?job={quote(str(reference), safe='')}"


def _retry_after(seconds: float, job: Job) -> NoReturn:
    """Have the workflow wait, but not past the deadline. Step Functions waits until a whole second, so a part of one is rounded up."""
    now = clock.now()
    latest = max(job.deadline_at, now + timedelta(seconds=_RECHECK_SECONDS))
    raise RetryLater(min(now + timedelta(seconds=seconds), latest) + timedelta(seconds=1))
