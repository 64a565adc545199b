"""Provider Replicate, called through its SDK.

The facts are from its HTTP reference (replicate.com/docs/reference/http) and the pages named below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import httpx
import replicate
from replicate.types import Prediction as ReplicatePrediction

from darkroom.aws.secrets import AGE_SECONDS_MAX, REFETCH_SECONDS_MIN, secret_values
from darkroom.domain.failures import Failure, FailureCode, failure
from darkroom.domain.model_descriptions import ModelDescription
from darkroom.domain.predictions import (
    Prediction,
    PredictionRequest,
    PredictionStatus,
    is_final_at_replicate,
    links_in,
)
from darkroom.domain.provider_errors import (
    LookupUnsupported,
    ProviderUnavailable,
    ProviderUnreachable,
)
from darkroom.domain.templates import Template
from darkroom.domain.urls import is_delivery_url
from darkroom.providers.provider_texts import log_refusal
from darkroom.providers.replicate import descriptions
from darkroom.providers.replicate.errors import (
    busy_or_account_refused,
    failure_of_run,
    no_token,
    refusal_of_create,
)
from darkroom.settings import settings

SUPPORTS_WEBHOOKS = True
INLINE_INPUT_BYTES_MAX = 0

# Seconds. Shorter than the Timeout of each calling function, so the function can record the error.
# tests/unit/test_dependent_numbers.py compares both numbers.
_TIMEOUT = httpx.Timeout(8.0, connect=2.0)
_CHECK_TIMEOUT = descriptions.TIMEOUT
_CANCEL_AFTER_SECONDS_MIN = 5
_UNREACHABLE_SECONDS = 5.0
_FIND_MAX = 500
_OWN_HOSTS = ("replicate.com", "*.replicate.com", "replicate.delivery", "*.replicate.delivery")


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
                ),
                is_create=True,
            )
        )
    except replicate.APIStatusError as error:
        raise refusal_of_create(error) from error


def get(prediction_id: str) -> Prediction:
    """Read the state of a prediction.

    A 404 immediately after a create means "not yet", so 404 raises ProviderUnavailable. After a
    410, the prediction does not come back.
    """
    try:
        with _as_unavailable():
            return _to_prediction(
                _call(lambda client: client.predictions.get(prediction_id=prediction_id))
            )
    except ProviderUnavailable as error:
        if not _is_gone(error.__cause__):
            raise
        gone = failure(FailureCode.OUTPUT_UNAVAILABLE)
        return Prediction(prediction_id, PredictionStatus.FAILED, failure=gone)


def cancel(prediction_id: str) -> None:
    """Cancel a prediction."""
    with _as_unavailable():
        _call(lambda client: client.predictions.cancel(prediction_id=prediction_id))


def find(request: PredictionRequest) -> Prediction | None:
    """Find the prediction with this webhook URL among the latest 500 predictions.

    Inputs are not compared, because two jobs can have the same input. Replicate's specification
    does not promise the field `webhook` in a list. If no listed prediction has it, the list cannot
    tell whether the prediction exists, and LookupUnsupported is raised.
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
    webhook_urls = [getattr(prediction, "webhook", None) for prediction in listed]
    if listed and not any(webhook_urls):
        raise LookupUnsupported
    if request.webhook_url not in webhook_urls:
        return None
    return _to_prediction(listed[webhook_urls.index(request.webhook_url)])


def check() -> None:
    """Read the account. Raises ProviderAccountRefused if Replicate refuses the token."""
    with _as_unavailable():
        _require_json(_call(lambda client: client.account.get(timeout=_CHECK_TIMEOUT)))


def is_offered(model: str) -> bool:
    """Return whether Replicate has a model, `owner/name`, or its version, `owner/name:version`."""
    return descriptions.read_description(model, _read_object).gone is None


def describe(template: Template) -> ModelDescription:
    """Describe the template's model by its document at Replicate."""
    return descriptions.read_description(template.model, _read_object)


def _read_object(call: Callable[[replicate.Client], Any]) -> Mapping[str, Any]:
    """Return the JSON object in a raw response. Raises ProviderUnavailable."""
    with _as_unavailable():
        try:
            document = _call(call).http_response.json()
        except ValueError as error:
            raise ProviderUnavailable(type(error).__name__) from error
    if not isinstance(document, Mapping):
        raise ProviderUnavailable("no object in the response")
    return document


def _require_json(found: object) -> None:
    """Raise ProviderUnavailable for a text: the SDK returns the text of a web page, for example."""
    if isinstance(found, str):
        raise ProviderUnavailable("no JSON in the response")


def output_headers(url: str) -> Mapping[str, str]:
    """Return the header with the token for a file on Replicate's own hosts, {} for another host.

    Replicate's specification (openapi.json, predictions.get) requires the token for output files.
    Its page about output files does not: replicate.com/docs/topics/predictions/output-files.
    """
    # The second condition is for a simulated Replicate.
    if not is_delivery_url(url, _OWN_HOSTS, ()) and not url.startswith(
        f"{_origin(settings().replicate_base_url)}/"
    ):
        return {}
    tokens = secret_values(settings().replicate_token_secret)
    return {"Authorization": f"Bearer {tokens[0]}"} if tokens else {}


def _origin(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))


def _to_prediction(prediction: ReplicatePrediction) -> Prediction:
    """Convert a prediction. Raises ProviderUnavailable for a response that is no prediction.

    The SDK returns the text of a response that is not JSON, and leaves out missing fields.
    """
    if not all(isinstance(getattr(prediction, name, None), str) for name in ("id", "status")):
        raise ProviderUnavailable("no prediction in the response")
    status: str = prediction.status
    webhook_url = getattr(prediction, "webhook", None)
    if not is_final_at_replicate(status):
        return Prediction(prediction.id, PredictionStatus.RUNNING, webhook_url=webhook_url)
    outputs = tuple(links_in(getattr(prediction, "output", None)))
    if status == "succeeded" and outputs:
        return Prediction(
            prediction.id, PredictionStatus.SUCCEEDED, outputs, webhook_url=webhook_url
        )
    failed, is_interrupted = _failure_of(prediction, status)
    return Prediction(
        prediction.id,
        PredictionStatus.FAILED,
        failure=failed,
        webhook_url=webhook_url,
        retryable=is_interrupted,
    )


def _failure_of(prediction: ReplicatePrediction, status: str) -> tuple[Failure, bool]:
    """Return the failure of a prediction, and whether another prediction may succeed."""
    if status == "succeeded":
        is_removed = getattr(prediction, "data_removed", False)
        code = FailureCode.OUTPUT_UNAVAILABLE if is_removed else FailureCode.NO_OUTPUT
        return failure(code), False
    if status in ("canceled", "aborted"):
        is_late = status == "aborted" or _reached_deadline(prediction)
        code = FailureCode.DEADLINE_EXCEEDED if is_late else FailureCode.PREDICTION_FAILED
        return failure(code), False
    error = str(getattr(prediction, "error", None) or "")
    log_refusal("failed", error, prediction_id=prediction.id)
    given = getattr(prediction, "input", None)
    return failure_of_run(error, given if isinstance(given, dict) else ())


def _reached_deadline(prediction: ReplicatePrediction) -> bool:
    deadline, completed_at = (
        getattr(prediction, "deadline", None),
        getattr(prediction, "completed_at", None),
    )
    return deadline is not None and (completed_at is None or completed_at >= deadline)


def _call[Result](call: Callable[[replicate.Client], Result], *, is_create: bool = False) -> Result:
    """Call Replicate. Raises ProviderBusy, ProviderUnavailable, or the SDK's APIStatusError.

    APIStatusError is any error response that does not tell Darkroom to wait. A create that is
    forbidden is such a response if Replicate accepts the account.
    """
    try:
        try:
            return call(_client())
        except replicate.AuthenticationError:
            # The token may have been rotated. A request with status 401 had no effect.
            return call(_client(age_seconds_max=REFETCH_SECONDS_MIN))
    except replicate.APIStatusError as error:
        busy = busy_or_account_refused(error, check=check if is_create else None)
        if busy:
            raise busy from error
        raise
    except replicate.APIConnectionError as error:
        if isinstance(
            error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
        ):
            raise ProviderUnreachable(_UNREACHABLE_SECONDS) from error
        raise ProviderUnavailable(type(error).__name__) from error
    except (ValueError, AttributeError) as error:
        # The SDK raises these for a body that is cut off, and for a list that is no JSON object.
        raise ProviderUnavailable(type(error).__name__) from error


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """Convert each API error to ProviderUnavailable, for requests about an existing prediction.

    An error response does not change the state of the prediction.
    """
    try:
        yield
    except replicate.APIError as error:
        if isinstance(error, replicate.APIStatusError):
            log_refusal(error.status_code, error.response.text)
        raise ProviderUnavailable(type(error).__name__) from error


def _is_gone(error: BaseException | None) -> bool:
    return isinstance(error, replicate.APIStatusError) and error.status_code == HTTPStatus.GONE


def _client(*, age_seconds_max: float = AGE_SECONDS_MAX) -> replicate.Client:
    tokens = secret_values(settings().replicate_token_secret, age_seconds_max=age_seconds_max)
    if not tokens:
        raise no_token()
    return _client_with(tokens[0], settings().replicate_base_url)


@cache
def _client_with(token: str, base_url: str) -> replicate.Client:
    # A followed redirect would send the token, and perhaps a create, to another address.
    http_client = replicate.DefaultHttpxClient(timeout=_TIMEOUT, follow_redirects=False)
    return replicate.Client(
        bearer_token=token, base_url=base_url, max_retries=0, http_client=http_client
    )
