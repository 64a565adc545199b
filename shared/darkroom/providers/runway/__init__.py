"""Provider Runway, called through its SDK. A prediction is a task of Runway.

The types of the SDK define the parameters of each model. The module `errors` tells what error
responses and failure codes mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import httpx
import runwayml

from darkroom.aws.secrets import AGE_SECONDS_MAX, REFETCH_SECONDS_MIN, secret_values
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.model_descriptions import ModelDescription
from darkroom.domain.predictions import (
    Prediction,
    PredictionRequest,
    PredictionStatus,
    links_in,
)
from darkroom.domain.provider_errors import (
    LookupUnsupported,
    ProviderAccountRefused,
    ProviderUnavailable,
    ProviderUnreachable,
)
from darkroom.domain.templates import Template
from darkroom.providers.provider_texts import account_refused, log_refusal
from darkroom.providers.runway import errors
from darkroom.settings import settings

SUPPORTS_WEBHOOKS = False
# Runway sends HEAD requests for image links, and an S3 link that is signed for GET refuses them.
# A data URL may have 5 MB after encoding (docs.dev.runwayml.com/assets/inputs).
INLINE_INPUT_BYTES_MAX = 3_700_000

# Seconds. Shorter than the Timeout of each calling function, so the function can record the error.
# tests/unit/test_dependent_numbers.py compares these numbers.
_TIMEOUT = httpx.Timeout(8.0, connect=2.0)
# Runway fetches the input image before it responds, so a slow host delays the response. The SDK's
# default is 60 seconds too.
_CREATE_TIMEOUT = httpx.Timeout(60.0, connect=2.0)
_CHECK_TIMEOUT = httpx.Timeout(4.0, connect=2.0)
_UNREACHABLE_SECONDS = 5.0
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
        task = _call(
            lambda client: _resource(client, endpoint).create(
                model=model, timeout=_CREATE_TIMEOUT, **fields
            ),
            is_create=True,
        )
    except runwayml.APIStatusError as error:
        raise errors.refusal(error) from error
    except ValueError as error:
        raise ProviderUnavailable(type(error).__name__) from error
    # The SDK returns the text of a response that is not JSON.
    task_id = getattr(task, "id", None)
    if not isinstance(task_id, str):
        raise ProviderUnavailable("no task id")
    return Prediction(task_id, PredictionStatus.RUNNING)


def get(prediction_id: str) -> Prediction:
    """Read the state of a task.

    The raw JSON is read, because the SDK's type for a task drops fields if one of them is missing.
    """
    response = _call_about_task(
        lambda client: client.tasks.with_raw_response.retrieve(prediction_id)
    )
    try:
        task = response.http_response.json()
    except ValueError as error:
        raise ProviderUnavailable(type(error).__name__) from error
    if not isinstance(task, Mapping):
        raise ProviderUnavailable("no task")
    return _to_prediction(prediction_id, task)


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


def check() -> None:
    """Read the organization. Raises ProviderAccountRefused if it has no credits."""
    balance = _organization().get("creditBalance")
    if isinstance(balance, int) and balance <= 0:
        raise account_refused("credits", retry_after_seconds=_UNREACHABLE_SECONDS)


def is_offered(model: str) -> bool:
    """Return whether the organization's tier has limits for a model.

    Returns True if Runway names no limits, because nothing else lists the models.
    """
    return _description_of(model).gone is None


def describe(template: Template) -> ModelDescription:
    """Describe the template's model by the limits of the organization's tier.

    Runway's API does not publish the fields of a model.
    """
    return _description_of(template.model)


def _description_of(model: str) -> ModelDescription:
    tier = _organization().get("tier")
    models = tier.get("models") if isinstance(tier, Mapping) else None
    if not models or not isinstance(models, Mapping):
        return ModelDescription(facts={"models": "not published"})
    name = model.partition("/")[2]
    if name not in models:
        return ModelDescription(
            gone="The tier of Runway's organization does not have the model.",
            facts={"models": ", ".join(map(str, models))},
        )
    limits = models[name] if isinstance(models[name], Mapping) else {}
    return ModelDescription(facts={str(key): str(value) for key, value in limits.items()})


def _organization() -> Mapping[str, Any]:
    try:
        response = _call(
            lambda client: client.organization.with_raw_response.retrieve(timeout=_CHECK_TIMEOUT)
        )
        document = response.http_response.json()
    except (runwayml.APIError, ValueError) as error:
        raise ProviderUnavailable(type(error).__name__) from error
    if not isinstance(document, Mapping):
        raise ProviderUnavailable("no organization")
    return document


def _resource(client: runwayml.RunwayML, endpoint: str) -> Any:  # noqa: ANN401 (types differ)
    resources = {"image_to_video": client.image_to_video, "text_to_video": client.text_to_video}
    return resources[endpoint]


def _to_prediction(prediction_id: str, task: Mapping[str, Any]) -> Prediction:
    match task.get("status"):
        case "SUCCEEDED" if links := tuple(links_in(task.get("output"))):
            return Prediction(prediction_id, PredictionStatus.SUCCEEDED, links)
        case "SUCCEEDED":
            return Prediction(
                prediction_id, PredictionStatus.FAILED, failure=failure(FailureCode.NO_OUTPUT)
            )
        case "FAILED":
            code, words = task.get("failureCode"), str(task.get("failure") or "")
            log_refusal("failed", f"{code}: {words}")
            failed = errors.failure_of_task(code, words)
            return Prediction(
                prediction_id,
                PredictionStatus.FAILED,
                failure=failed,
                retryable=failed.code is FailureCode.PREDICTION_FAILED
                and code in _TRANSIENT_FAILURES,
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


def _call(
    call: Callable[[runwayml.RunwayML], Any],
    *,
    is_create: bool = False,
) -> Any:  # noqa: ANN401 (the SDK's)
    """Call Runway. Raises ProviderBusy, ProviderUnavailable, or the SDK's APIStatusError.

    APIStatusError is an error response that does not mean that Runway is busy. A create that is
    forbidden is such a response if Runway accepts the organization.
    """
    try:
        try:
            return call(_client())
        except runwayml.AuthenticationError:
            # The key may have been rotated. A request with status 401 had no effect.
            return call(_client(age_seconds_max=REFETCH_SECONDS_MIN))
    except runwayml.APIStatusError as error:
        log_refusal(error.status_code, error.response.text)
        if busy := errors.busy(error, check=check if is_create else None):
            raise busy from error
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
    except ProviderAccountRefused as error:
        raise ProviderUnavailable(error.reason) from error
    except runwayml.APIError as error:
        raise ProviderUnavailable(type(error).__name__) from error


def _client(*, age_seconds_max: float = AGE_SECONDS_MAX) -> runwayml.RunwayML:
    keys = secret_values(settings().runway_key_secret, age_seconds_max=age_seconds_max)
    if not keys:
        raise account_refused("no key is set", retry_after_seconds=_UNREACHABLE_SECONDS)
    return _client_with(keys[0], settings().runway_base_url)


@cache
def _client_with(key: str, base_url: str) -> runwayml.RunwayML:
    # A followed redirect would send the request with its input to another host.
    http_client = runwayml.DefaultHttpxClient(follow_redirects=False)
    return runwayml.RunwayML(
        api_key=key,
        base_url=base_url,
        timeout=_TIMEOUT,
        max_retries=0,
        http_client=http_client,
    )
