"""Workflow state StoreOutput: store each output of the job's prediction."""

from __future__ import annotations

from datetime import timedelta

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed, OutputUnavailable, RetryLater
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import STORING_SECONDS_MAX, Job
from darkroom.domain.predictions import Prediction, PredictionStatus, may_retry
from darkroom.domain.provider_errors import ProviderBusy, ProviderUnavailable
from darkroom.observability import logger
from darkroom.providers import counting_outages, load_provider
from darkroom.services.choose_outputs import choose_outputs
from darkroom.services.deliver_output import deliver_output
from darkroom.storage import jobs

_NOT_YET_SECONDS = 2


def store_output(account: AccountId, job_id: str) -> None:
    """Read the prediction from the provider, store its outputs, and record each one on the job.

    Does nothing if the job has ended. Raises GenerationFailed if no output can be delivered,
    OutputUnavailable if a retry may help, and RetryLater if RequestPrediction must check the
    prediction again.
    """
    job = jobs.read(account, job_id)
    logger.append_keys(job_id=job_id)
    if job.status.is_final:
        return
    with jobs.recording_failures(job):
        _refuse_canceled(job)
        prediction = _finished_prediction(job)
        if not jobs.record_storing(job, now=clock.now()):
            job = jobs.read(account, job_id)
            if job.status.is_final:
                return
            _refuse_canceled(job)
        try:
            _store_all(job, prediction)
        except OutputUnavailable as error:
            if job.storing_at and clock.now() >= job.storing_at + timedelta(
                seconds=STORING_SECONDS_MAX
            ):
                raise GenerationFailed(failure(FailureCode.OUTPUT_UNAVAILABLE)) from error
            raise


def _refuse_canceled(job: Job) -> None:
    if job.cancel_wins:
        raise GenerationFailed(failure(FailureCode.CANCELED))


def _finished_prediction(job: Job) -> Prediction:
    if job.attempt is None or job.attempt.prediction_id is None:
        raise RetryLater(clock.now())
    try:
        with counting_outages():
            prediction = load_provider(job.model_input.provider).get(job.attempt.prediction_id)
    except (ProviderBusy, ProviderUnavailable) as error:
        # RequestPrediction requests the prediction's status again, and gives up after the deadline.
        raise RetryLater(clock.now() + timedelta(seconds=_NOT_YET_SECONDS)) from error
    match prediction.status:
        case PredictionStatus.RUNNING:
            raise RetryLater(clock.now() + timedelta(seconds=_NOT_YET_SECONDS))
        case PredictionStatus.FAILED if may_retry(job, prediction, now=clock.now()):
            raise RetryLater(clock.now())
        case PredictionStatus.FAILED:
            raise GenerationFailed(prediction.failure or failure(FailureCode.PREDICTION_FAILED))
        case PredictionStatus.SUCCEEDED:
            return prediction


def _store_all(job: Job, prediction: Prediction) -> None:
    """Store each output. An output that cannot be stored does not prevent the others.

    The user pays only for stored outputs. Raises OutputUnavailable if a retry may store the rest,
    and GenerationFailed if the job has no output and none can be stored.
    """
    unavailable: OutputUnavailable | None = None
    rejected: GenerationFailed | None = None
    outputs = choose_outputs(job, prediction)
    for number in range(len(outputs)):
        try:
            job = deliver_output(job, number, outputs)
        except OutputUnavailable as error:
            unavailable = error
            job = jobs.read(job.account, job.job_id)
        except GenerationFailed as error:
            logger.warning("output rejected", number=number, code=error.failure.code)
            rejected = error
            job = jobs.read(job.account, job.job_id)
    if unavailable:
        raise unavailable
    if rejected and not job.outputs:
        raise rejected
