"""Provider Stable Diffusion WebUI, self-hosted, called through its API.

Source: github.com/AUTOMATIC1111/stable-diffusion-webui, modules/api/api.py. The WebUI responds at
the end of a run, with the images in the response, and stores nothing. Darkroom stores the images in
the bucket. A prediction is the set of these objects.
"""

from __future__ import annotations

import base64
import binascii
from functools import cache
from http import HTTPStatus
from typing import Any

import requests

from darkroom.aws.secrets import secret_values
from darkroom.domain.errors import GenerationFailed, ProviderUnavailable, ProviderUnreachable
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.predictions import Prediction, PredictionRequest, PredictionStatus
from darkroom.media import bucket
from darkroom.observability import Metric, count, logger
from darkroom.settings import settings

SUPPORTS_WEBHOOKS = False
INLINE_INPUT_BYTES_MAX = 20_000_000

_CONNECT_SECONDS = 2.0
# Shorter than the Timeout of RequestPredictionFunction in template.yaml (150 s), as
# tests/unit/test_dependent_numbers.py verifies. The images of a longer run are lost.
_RUN_SECONDS_MAX = 120.0
_UNREACHABLE_SECONDS = 10.0
_UNREACHABLE = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_FIELDS = {"num_outputs": "n_iter", "sampler": "sampler_name"}


def create(request: PredictionRequest) -> Prediction:
    """Run the template's model (`txt2img` or `img2img`) and store the images in the bucket."""
    images = _images(_run(request))
    for number, image in enumerate(images[: request.model_input.outputs_count]):
        bucket.put(_key(request.key_prefix, number), image, "image/png")
    return get(_id_of(request.key_prefix, min(len(images), request.model_input.outputs_count)))


def get(prediction_id: str) -> Prediction:
    """Read a prediction from the bucket. All its images were stored before its id was returned."""
    count, _, prefix = prediction_id.partition("@")
    keys = tuple(_key(prefix, number) for number in range(int(count)))
    if set(keys) <= set(bucket.keys_under(prefix)):
        return Prediction(prediction_id, PredictionStatus.SUCCEEDED, keys)
    return Prediction(
        prediction_id, PredictionStatus.FAILED, failure=failure(FailureCode.OUTPUT_UNAVAILABLE)
    )


def cancel(prediction_id: str) -> None:
    """Do nothing. The WebUI has no ids for runs, so an interrupt could stop another job's run."""


def find(request: PredictionRequest) -> Prediction | None:
    """Find the images of the job in the bucket.

    A run whose response was lost left no images. It runs again, because a self-hosted run costs
    nothing.
    """
    found = get(_id_of(request.key_prefix, request.model_input.outputs_count))
    return found if found.status is PredictionStatus.SUCCEEDED else None


def _run(request: PredictionRequest) -> dict[str, Any]:
    fields = {_FIELDS.get(name, name): value for name, value in request.model_input.input.items()}
    if "image" in fields:
        fields["init_images"] = [fields.pop("image")]
    try:
        response = _session().post(
            f"{settings().stable_diffusion_url}/sdapi/v1/{request.model_input.model}",
            json={**fields, "batch_size": 1, "send_images": True, "save_images": False},
            auth=_login(),
            timeout=(_CONNECT_SECONDS, _RUN_SECONDS_MAX),
            allow_redirects=False,
        )
    except requests.ConnectTimeout as error:
        raise ProviderUnreachable(_UNREACHABLE_SECONDS) from error
    except requests.RequestException as error:
        if _is_connection_refused(error):
            raise ProviderUnreachable(_UNREACHABLE_SECONDS) from error
        raise ProviderUnavailable(type(error).__name__, unknown_seconds=0) from error
    if response.status_code != HTTPStatus.OK:
        raise _refusal(response)
    document: dict[str, Any] = response.json()
    return document


def _is_connection_refused(error: requests.RequestException) -> bool:
    """Return whether no connection was made, so no run has begun."""
    return isinstance(error, requests.ConnectionError) and "NewConnectionError" in repr(error)


def _refusal(response: requests.Response) -> Exception:
    if response.status_code in _UNREACHABLE:
        return ProviderUnreachable(_UNREACHABLE_SECONDS)
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        logger.error("the provider rejects Darkroom's account", status=response.status_code)
        count(Metric.PROVIDER_ACCOUNT_REFUSED)
        return GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE))
    logger.info(
        "prediction failed", status=response.status_code, provider_error=response.text[:500]
    )
    is_input = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    return GenerationFailed(
        failure(FailureCode.INVALID_INPUT if is_input else FailureCode.PREDICTION_FAILED)
    )


def _images(document: dict[str, Any]) -> list[bytes]:
    try:
        images = [base64.b64decode(image) for image in document.get("images") or ()]
    except (binascii.Error, TypeError) as error:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED)) from error
    if not images:
        raise GenerationFailed(failure(FailureCode.NO_OUTPUT))
    return images


def _id_of(key_prefix: str, count: int) -> str:
    return f"{count}@{key_prefix}"


def _key(key_prefix: str, number: int) -> str:
    return f"{key_prefix}{number}.png"


def _login() -> tuple[str, str] | None:
    """Return the user and the password of `--api-auth`, or None if the secret has no value."""
    values = (
        secret_values(settings().stable_diffusion_login_secret)
        if settings().stable_diffusion_login_secret
        else ()
    )
    if not values:
        return None
    user, _, password = values[0].partition(":")
    return user, password


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session
