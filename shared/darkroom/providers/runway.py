"""Provider Runway, called through its SDK. A prediction is a task of Runway.

The facts are from docs.dev.runwayml.com, errors/errors and errors/task-failures. The types of the
SDK define the parameters of each model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx
import runwayml

from darkroom.aws.secrets import AGE_SECONDS_MAX, REFETCH_SECONDS_MIN, secret_values
from darkroom.domain.errors import (
    GenerationFailed,
    LookupUnsupported,
    ProviderBusy,
    ProviderUnavailable,
    ProviderUnreachable,
)
from darkroom.domain.failures import Failure, FailureCode, failure
from darkroom.domain.predictions import Prediction, PredictionRequest, PredictionStatus
from darkroom.observability import Metric, count, logger
from darkroom.settings import settings

SUPPORTS_WEBHOOKS = False
# Runway sends HEAD requests for image links, and an S3 link that is signed for GET refuses them.
# A data URL may have 5 MB after encoding (docs.dev.runwayml.com/assets/inputs).
INLINE_INPUT_BYTES_MAX = 3_700_000

# Seconds. Shorter than the Timeout of each calling function, so the function can record the error.
# tests/unit/test_dependent_numbers.py compares both numbers.
_TIMEOUT = httpx.Timeout(8.0, connect=2.0)
_UNREACHABLE_SECONDS = 5.0
_SHEDDING_LOAD_SECONDS = 10.0
# Status 429 means that the daily quota is used up. Runway queues tasks above the concurrency limit.
_THROTTLED_SECONDS = 30.0
_SHEDDING_LOAD = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
_OUR_ACCOUNT = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_FIELDS = {"prompt": "prompt_text", "image": "prompt_image"}
_TRANSIENT_FAILURES = (None, "INTERNAL", "INPUT_PREPROCESSING.INTERNAL", "THIRD_PARTY.UNAVAILABLE")


def create(request: PredictionRequest) -> Prediction:
    """Create a task.

    The SDK's retries are off: Runway has no idempotency key, so a retry could create a second paid
    task. The name of a model is its endpoint and Runway's name, as `image_to_video/gen4_turbo`.
    """
    endpoint, _, model = request.model_input.model.partition("/")
    fields = {_FIELDS.get(name, name): value for name, value in request.model_input.input.items()}
    try:
        task = _call(lambda client: _resource(client, endpoint).create(model=model, **fields))
    except runwayml.APIStatusError as error:
        raise _refusal(error) from error
    return Prediction(task.id, PredictionStatus.RUNNING)


def get(prediction_id: str) -> Prediction:
    """Read the state of a task.

    The raw JSON is read, because the SDK's type for a task drops fields if one of them is missing.
    """
    response = _call_about_task(
        lambda client: client.tasks.with_raw_response.retrieve(prediction_id)
    )
    try:
        return _to_prediction(prediction_id, response.http_response.json())
    except ValueError as error:
        raise ProviderUnavailable(type(error).__name__) from error


def cancel(prediction_id: str) -> None:
    """Cancel a running task or delete a finished task. A missing task counts as canceled."""
    try:
        _call_about_task(lambda client: client.tasks.delete(prediction_id))
    except ProviderUnavailable as error:
        if not isinstance(error.__cause__, runwayml.NotFoundError):
            raise


def find(request: PredictionRequest) -> Prediction | None:  # noqa: ARG001 (part of the interface)
    """Raise LookupUnsupported. Runway has no list of tasks and no field for a reference."""
    raise LookupUnsupported


def _resource(client: runwayml.RunwayML, endpoint: str) -> Any:  # noqa: ANN401 (types differ)
    resources = {"image_to_video": client.image_to_video, "text_to_video": client.text_to_video}
    return resources[endpoint]


def _to_prediction(prediction_id: str, task: Mapping[str, Any]) -> Prediction:
    match task.get("status"):
        case "SUCCEEDED" if links := tuple(
            link for link in task.get("output") or () if isinstance(link, str)
        ):
            return Prediction(prediction_id, PredictionStatus.SUCCEEDED, links)
        case "SUCCEEDED":
            return Prediction(
                prediction_id, PredictionStatus.FAILED, failure=failure(FailureCode.NO_OUTPUT)
            )
        case "FAILED":
            code = task.get("failureCode")
            logger.info(
                "prediction failed",
                prediction_id=prediction_id,
                provider_error=f"{code}: {task.get('failure')}"[:500],
            )
            return Prediction(
                prediction_id,
                PredictionStatus.FAILED,
                failure=_failure_of(code),
                retryable=code in _TRANSIENT_FAILURES,
            )
        case "CANCELLED":
            return Prediction(
                prediction_id,
                PredictionStatus.FAILED,
                failure=failure(FailureCode.PREDICTION_FAILED),
            )
        case _:
            # PENDING, RUNNING, or THROTTLED (in Runway's queue).
            return Prediction(prediction_id, PredictionStatus.RUNNING)


def _failure_of(code: str | None) -> Failure:
    parts = (code or "").split(".")
    if "SAFETY" in parts:
        return failure(FailureCode.REFUSED)
    if parts[0] == "ASSET":
        return failure(
            FailureCode.INVALID_INPUT,
            "The model could not use the input image. Nothing was charged. "
            "Submit the job again with another image.",
        )
    return failure(FailureCode.PREDICTION_FAILED)


def _call(call: Callable[[runwayml.RunwayML], Any]) -> Any:  # noqa: ANN401 (the SDK's)
    """Call Runway. Raises ProviderBusy, ProviderUnavailable, or the SDK's APIStatusError.

    APIStatusError is any error response except 429, 502 and 503.
    """
    try:
        try:
            return call(_client())
        except runwayml.AuthenticationError:
            # The key may have been rotated. A request with status 401 had no effect.
            return call(_client(age_seconds_max=REFETCH_SECONDS_MIN))
    except runwayml.RateLimitError as error:
        raise ProviderBusy(_THROTTLED_SECONDS) from error
    except runwayml.APIStatusError as error:
        if error.status_code in _SHEDDING_LOAD:
            raise ProviderUnreachable(_SHEDDING_LOAD_SECONDS) from error
        if error.status_code in _OUR_ACCOUNT or _lacks_credits(error):
            logger.error("the provider rejects Darkroom's account", status=error.status_code)
            count(Metric.PROVIDER_ACCOUNT_REFUSED)
        raise
    except runwayml.APIConnectionError as error:
        if isinstance(
            error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
        ):
            raise ProviderUnreachable(_UNREACHABLE_SECONDS) from error
        raise ProviderUnavailable(type(error).__name__) from error


def _call_about_task(call: Callable[[runwayml.RunwayML], Any]) -> Any:  # noqa: ANN401 (the SDK's)
    """Call Runway about an existing task. Raises ProviderUnavailable for each error response.

    An error response does not change the state of the task.
    """
    try:
        return _call(call)
    except runwayml.APIError as error:
        raise ProviderUnavailable(type(error).__name__) from error


def _refusal(error: runwayml.APIStatusError) -> Exception:
    """Return the exception for an error response to a create request."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status_code in (
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
    ):
        return ProviderUnavailable(str(error.status_code))
    if error.status_code in _OUR_ACCOUNT or _lacks_credits(error):
        return GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE))
    logger.info("the provider rejects the input", provider_error=str(error.body)[:500])
    return GenerationFailed(failure(FailureCode.INVALID_INPUT))


def _lacks_credits(error: runwayml.APIStatusError) -> bool:
    # The status is 400, as for an invalid field. Only the message differs.
    message = error.body.get("error") if isinstance(error.body, Mapping) else None
    return error.status_code == HTTPStatus.BAD_REQUEST and "enough credits" in str(message)


def _client(*, age_seconds_max: float = AGE_SECONDS_MAX) -> runwayml.RunwayML:
    keys = secret_values(settings().runway_key_secret, age_seconds_max=age_seconds_max)
    if not keys:
        logger.error("no Runway key is set", secret=settings().runway_key_secret)
        count(Metric.PROVIDER_ACCOUNT_REFUSED)
        raise ProviderBusy(_UNREACHABLE_SECONDS)
    return _client_with(keys[0], settings().runway_base_url)


@cache
def _client_with(key: str, base_url: str) -> runwayml.RunwayML:
    return runwayml.RunwayML(api_key=key, base_url=base_url, timeout=_TIMEOUT, max_retries=0)
