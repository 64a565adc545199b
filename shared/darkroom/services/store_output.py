"""Workflow state StoreOutput: copy each output into the bucket and add a thumbnail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import IO

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import (
    GenerationFailed,
    OutputUnavailable,
    ProviderBusy,
    ProviderUnavailable,
    RetryLater,
)
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import STORING_SECONDS_MAX, Job, Output
from darkroom.domain.outputs import Thumbnail
from darkroom.domain.predictions import Prediction, PredictionStatus, may_retry
from darkroom.media import bucket, inspect
from darkroom.media.download import fetch_output
from darkroom.observability import logger
from darkroom.providers import counting_outages, load_provider
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
    for number, url in enumerate(prediction.outputs[: job.model_input.outputs_count]):
        # `_record_output` returns an updated job: another invocation may have stored this output.
        if number in {output.number for output in job.outputs}:
            continue
        try:
            job = _record_output(job, _store(job, number, url))
        except OutputUnavailable as error:
            unavailable = error
        except GenerationFailed as error:
            logger.warning("output rejected", number=number, code=error.failure.code)
            rejected = error
    if unavailable:
        raise unavailable
    if rejected and not job.outputs:
        raise rejected


def _store(job: Job, number: int, url: str) -> Output:
    with _open_output(job, url) as file:
        found = inspect.probe(file)
        key = bucket.output_key(job, number, found.extension)
        file.seek(0, 2)
        size_bytes = file.tell()
        file.seek(0)
        thumbnail = _store_thumbnail(job, number, file)
        bucket.put(key, file, found.content_type, bucket.metadata_of(job))
    return Output(
        number=number,
        key=key,
        content_type=found.content_type,
        bytes=size_bytes,
        width=found.width,
        height=found.height,
        seconds=found.seconds,
        thumbnail_key=bucket.thumbnail_key(job, number) if thumbnail else None,
        placeholder=thumbnail.placeholder if thumbnail else None,
    )


def _open_output(job: Job, output: str) -> IO[bytes]:
    """Open an output: read it from the bucket if the provider stored it there, or download it.

    Only a key below the job's own prefix is read from the bucket.
    """
    return (
        bucket.open_object(output)
        if output.startswith(bucket.prefix_of(job.account, job.job_id))
        else fetch_output(output)
    )


def _store_thumbnail(job: Job, number: int, file: IO[bytes]) -> Thumbnail | None:
    try:
        thumbnail = inspect.thumbnail(file)
        bucket.put(bucket.thumbnail_key(job, number), thumbnail.body, "image/jpeg")
    except Exception as error:  # noqa: BLE001 (a missing thumbnail must not fail a job)
        logger.warning("no thumbnail", number=number, cause=str(error))
        return None
    return thumbnail


def _record_output(job: Job, output: Output) -> Job:
    """Record an output once, and return the updated job.

    Another invocation may store outputs of the same job, so a refused write is tried again.
    """
    while not jobs.record_output(job, output):
        job = jobs.read(job.account, job.job_id)
        if job.status.is_final or output.number in {known.number for known in job.outputs}:
            return job
    return replace(job, outputs=(*job.outputs, output))
