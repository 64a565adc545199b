"""Provider Replicate, called through its SDK.

The facts are from its HTTP reference (replicate.com/docs/reference/http) and the pages named below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from itertools import islice
from typing import Any

import httpx
import replicate
from replicate.types import Prediction as ReplicatePrediction

from darkroom.aws.secrets import AGE_SECONDS_MAX, REFETCH_SECONDS_MIN, secret_values
from darkroom.domain.errors import (
    GenerationFailed,
    LookupUnsupported,
    ProviderBusy,
    ProviderUnavailable,
    ProviderUnreachable,
)
from darkroom.domain.failures import Failure, FailureCode, failure
from darkroom.domain.predictions import (
    Prediction,
    PredictionRequest,
    PredictionStatus,
    is_final_at_replicate,
    links_in,
)
from darkroom.observability import Metric, count, logger
from darkroom.providers.provider_texts import log_refusal
from darkroom.settings import settings

SUPPORTS_WEBHOOKS = True
INLINE_INPUT_BYTES_MAX = 0

# Seconds. Shorter than the Timeout of each calling function, so the function can record the error.
# tests/unit/test_dependent_numbers.py compares both numbers.
_TIMEOUT = httpx.Timeout(8.0, connect=2.0)
_CANCEL_AFTER_SECONDS_MIN = 5
_RETRY_AFTER_SECONDS_DEFAULT = 10.0
_RETRY_AFTER_SECONDS_MAX = 120.0
_UNREACHABLE_SECONDS = 5.0
_UNHANDLED_SECONDS = 10.0
_FIND_MAX = 500
_RESETS_IN = re.compile(r"~?(\d+)s")
_REFUSED = re.compile(r"\(E005\)|flagged as sensitive|NSFW", re.IGNORECASE)
# Real-ESRGAN's error for an image with too many pixels. An image at an https URL can have more than
# its template allows, because Darkroom never fetches it.
_TOO_LARGE = re.compile(r"greater than the max size that fits in GPU memory")
# The prediction was interrupted or did not start, and its input is not the cause. Codes E#### are
# from replicate.com/docs/reference/error-codes. PA, E9828 and E004 are reported by users only.
_INTERRUPTED = re.compile(r"\((code: PA|E1000|E6716|E8367|E8765|E9828|E004)\)")
_OUR_ACCOUNT = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}


def create(request: PredictionRequest) -> Prediction:
    """Create a prediction.

    The SDK's retries are off: Replicate has no idempotency key, so a retry could create a second
    paid prediction.
    """
    webhook: dict[str, Any] = (
        {"webhook": request.webhook_url, "webhook_events_filter": ["start", "completed"]}
        if request.webhook_url
        else {}
    )
    try:
        return _to_prediction(
            _call(
                lambda client: client.predictions.create(
                    version=request.model_input.model,
                    input=dict(request.model_input.input),
                    cancel_after=f"{max(request.cancel_after_seconds, _CANCEL_AFTER_SECONDS_MIN)}s",
                    **webhook,
                )
            )
        )
    except replicate.APIStatusError as error:
        raise _refusal(error) from error


def get(prediction_id: str) -> Prediction:
    """Read the state of a prediction.

    A 404 immediately after a create means "not yet", so 404 raises ProviderUnavailable.
    """
    with _as_unavailable():
        return _to_prediction(
            _call(lambda client: client.predictions.get(prediction_id=prediction_id))
        )


def cancel(prediction_id: str) -> None:
    """Cancel a prediction."""
    with _as_unavailable():
        _call(lambda client: client.predictions.cancel(prediction_id=prediction_id))


def find(request: PredictionRequest) -> Prediction | None:
    """Find the prediction with this webhook URL among the latest 500 predictions.

    Inputs are not compared, because two jobs can have the same input.
    """
    if request.webhook_url is None:
        raise LookupUnsupported
    with _as_unavailable():
        listed = _call(
            lambda client: list(
                islice(
                    client.predictions.list(created_after=request.created_after),
                    _FIND_MAX,
                )
            )
        )
    return next(
        (
            _to_prediction(prediction)
            for prediction in listed
            if getattr(prediction, "webhook", None) == request.webhook_url
        ),
        None,
    )


def _to_prediction(prediction: ReplicatePrediction) -> Prediction:
    status: str = prediction.status
    webhook_url = getattr(prediction, "webhook", None)
    if not is_final_at_replicate(status):
        return Prediction(prediction.id, PredictionStatus.RUNNING, webhook_url=webhook_url)
    outputs = tuple(links_in(getattr(prediction, "output", None)))
    if status == "succeeded" and outputs:
        return Prediction(
            prediction.id, PredictionStatus.SUCCEEDED, outputs, webhook_url=webhook_url
        )
    failed = _failure_of(prediction, status)
    interrupted = (
        failed.code is FailureCode.PREDICTION_FAILED
        and _INTERRUPTED.search(str(getattr(prediction, "error", ""))) is not None
    )
    return Prediction(
        prediction.id,
        PredictionStatus.FAILED,
        failure=failed,
        webhook_url=webhook_url,
        retryable=interrupted,
    )


def _failure_of(prediction: ReplicatePrediction, status: str) -> Failure:
    if status == "succeeded":
        return failure(
            FailureCode.OUTPUT_UNAVAILABLE
            if getattr(prediction, "data_removed", False)
            else FailureCode.NO_OUTPUT
        )
    if status in ("canceled", "aborted"):
        return failure(
            FailureCode.DEADLINE_EXCEEDED
            if status == "aborted" or _reached_deadline(prediction)
            else FailureCode.PREDICTION_FAILED
        )
    error = str(getattr(prediction, "error", ""))
    logger.info("prediction failed", prediction_id=prediction.id, provider_error=error[:500])
    if _TOO_LARGE.search(error):
        return failure(
            FailureCode.INVALID_INPUT,
            "The input image has too many pixels for the model. Nothing was charged. "
            "Submit the job again with a smaller image, or with an upload.",
        )
    return failure(FailureCode.REFUSED if _REFUSED.search(error) else FailureCode.PREDICTION_FAILED)


def _reached_deadline(prediction: ReplicatePrediction) -> bool:
    deadline, completed_at = (
        getattr(prediction, "deadline", None),
        getattr(prediction, "completed_at", None),
    )
    return deadline is not None and (completed_at is None or completed_at >= deadline)


def _call[Result](call: Callable[[replicate.Client], Result]) -> Result:
    """Call Replicate. Raises ProviderBusy, ProviderUnavailable, or the SDK's APIStatusError.

    APIStatusError is any error response except 429.
    """
    try:
        try:
            return call(_client())
        except replicate.AuthenticationError:
            # The token may have been rotated. A request with status 401 had no effect.
            return call(_client(age_seconds_max=REFETCH_SECONDS_MIN))
    except replicate.RateLimitError as error:
        raise ProviderBusy(_retry_after_seconds(error)) from error
    except replicate.APIStatusError as error:
        if error.status_code in _OUR_ACCOUNT:
            # The token was revoked or a bill is unpaid. The metric triggers an alarm.
            logger.error("the provider rejects Darkroom's account", status=error.status_code)
            count(Metric.PROVIDER_ACCOUNT_REFUSED)
        raise
    except replicate.APIConnectionError as error:
        if isinstance(
            error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
        ):
            raise ProviderUnreachable(_UNREACHABLE_SECONDS) from error
        raise ProviderUnavailable(type(error).__name__) from error


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """Convert each API error to ProviderUnavailable, for requests about an existing prediction.

    An error response does not change the state of the prediction.
    """
    try:
        yield
    except replicate.APIError as error:
        raise ProviderUnavailable(type(error).__name__) from error


def _refusal(error: replicate.APIStatusError) -> Exception:
    """Return the exception for an error response to a create request."""
    status = error.status_code
    log_refusal(status, error.response.text)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        # 503 means that the request was not handled (RFC 9110). If it still created a prediction,
        # the prediction appears soon.
        return ProviderUnavailable(str(status), unknown_seconds=_UNHANDLED_SECONDS)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
    ):
        return ProviderUnavailable(str(status))
    if status in _OUR_ACCOUNT:
        return GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE))
    return GenerationFailed(failure(FailureCode.INVALID_INPUT, _invalid_input_message(error.body)))


def _invalid_input_message(body: object) -> str | None:
    fields = body.get("invalid_fields") if isinstance(body, dict) else None
    if not isinstance(fields, list):
        return None
    described = "; ".join(
        str(field.get("description", "")) for field in fields if isinstance(field, dict)
    )
    if not described:
        return None
    return (
        f"The model did not accept these parameters: {described[:500]}. Nothing was charged. "
        "Change the parameters and submit the job again."
    )


def _retry_after_seconds(error: replicate.RateLimitError) -> float:
    """Return the delay from the header, else from `retry_after`, else from 'resets in ~Ns'.

    The delay is at least 1 and at most 120 seconds, or 10 seconds without a hint.
    """
    body = error.body if isinstance(error.body, dict) else {}
    words = _RESETS_IN.search(str(body.get("detail", "")))
    for hint in (
        error.response.headers.get("retry-after"),
        body.get("retry_after"),
        words and words[1],
    ):
        try:
            seconds = float(str(hint))
        except ValueError:
            continue
        if math.isfinite(seconds):
            return min(max(seconds, 1.0), _RETRY_AFTER_SECONDS_MAX)
    return _RETRY_AFTER_SECONDS_DEFAULT


def _client(*, age_seconds_max: float = AGE_SECONDS_MAX) -> replicate.Client:
    tokens = secret_values(settings().replicate_token_secret, age_seconds_max=age_seconds_max)
    if not tokens:
        logger.error("no Replicate token is set", secret=settings().replicate_token_secret)
        count(Metric.PROVIDER_ACCOUNT_REFUSED)
        raise ProviderBusy(_UNREACHABLE_SECONDS)
    return _client_with(tokens[0], settings().replicate_base_url)


@cache
def _client_with(token: str, base_url: str) -> replicate.Client:
    return replicate.Client(bearer_token=token, base_url=base_url, timeout=_TIMEOUT, max_retries=0)
