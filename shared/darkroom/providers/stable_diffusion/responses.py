"""The errors of a WebUI server, and of a gateway in front of it: what each answer means.

Sources: github.com/AUTOMATIC1111/stable-diffusion-webui, modules/api/api.py;
github.com/vladmandic/sdnext, modules/api; github.com/leejet/stable-diffusion.cpp,
examples/server/routes_sdapi.cpp; and for the statuses from 520 on,
developers.cloudflare.com/support/troubleshooting/http-status-codes.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from http import HTTPStatus
from typing import Any

import requests

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.provider_errors import ProviderBusy, ProviderUnavailable, ProviderUnreachable
from darkroom.providers.provider_texts import account_refused, invalid_input, log_refusal

UNREACHABLE_SECONDS = 10.0
_ACCOUNT_SECONDS = 60.0
_RETRY_AFTER_SECONDS_MAX = 120.0
# A gateway that cannot connect responds with 502 at once. After this time the server had accepted
# the request, so the run may go on.
_IMMEDIATE_SECONDS = 5.0

_OUR_ACCOUNT = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
}
# Cloudflare: 521 refused, 523 no route, 525 and 526 no TLS, 530 the tunnel is not connected.
_UNREACHABLE = {HTTPStatus.SERVICE_UNAVAILABLE, 521, 523, 525, 526, 530}
# Cloudflare: 520 no valid response, 522 and 524 no response in time.
_UNANSWERED = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT, 520, 522, 524}
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
# A server without this API, or without this part of it.
_NO_API = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.GONE,
    HTTPStatus.NOT_IMPLEMENTED,
}
_REFUSED_INPUT = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
# AUTOMATIC1111 and SD.Next: the sampler of the job is missing.
_NO_SAMPLER = re.compile("Sampler not found", re.IGNORECASE)
# AUTOMATIC1111: no checkpoint, or an unknown one. stable-diffusion.cpp: the loaded model makes
# videos only.
_NO_MODEL = re.compile(
    r"No checkpoints found|model '[^']{1,200}' not found"
    r"|does not support img_gen",
    re.IGNORECASE,
)
_PARAMETERS = {
    "n_iter": "num_outputs",
    "batch_size": "num_outputs",
    "sampler_name": "sampler",
    "sampler_index": "sampler",
    "scheduler": "sampler",
    "init_images": "image",
}


def error_of(response: requests.Response) -> Exception:
    """Return the exception for an error response, and log the answer."""
    status = response.status_code
    log_refusal(status, response.text)
    if status in _OUR_ACCOUNT:
        return account_refused("login refused", status=status, retry_after_seconds=_ACCOUNT_SECONDS)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ProviderBusy(_retry_after_seconds(response))
    seconds = response.elapsed.total_seconds()
    if status in _UNREACHABLE or (
        status == HTTPStatus.BAD_GATEWAY and seconds <= _IMMEDIATE_SECONDS
    ):
        return ProviderUnreachable(UNREACHABLE_SECONDS)
    if status in _UNANSWERED or status == HTTPStatus.BAD_GATEWAY:
        return ProviderUnavailable(str(status), unknown_seconds=0)
    return _failure_of(response)


def forbidden_run(response: requests.Response) -> GenerationFailed:
    """Return the failure of a run that is forbidden although the login is accepted.

    A firewall in front of the server refuses single requests. Logs the answer.
    """
    log_refusal(response.status_code, response.text)
    return GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE))


def document_of(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object of a response with status 200.

    A page in HTML or another JSON value comes from a server without this API. Raises
    GenerationFailed, and ProviderUnavailable if the JSON text is cut off.
    """
    try:
        document = response.json()
    except ValueError as error:
        log_refusal(response.status_code, response.text)
        if is_html(response):
            raise unavailable() from error
        raise ProviderUnavailable(type(error).__name__, unknown_seconds=0) from error
    if not isinstance(document, dict):
        log_refusal(response.status_code, response.text)
        raise unavailable()
    return document


def image_in(document: dict[str, Any]) -> bytes:
    """Return the first image of a run.

    Some servers put the head of a data URL before the Base64 text. koboldcpp returns an empty text
    for a run that failed. Raises GenerationFailed.
    """
    images = document.get("images") or []
    encoded = images[0] if isinstance(images, list) and images else ""
    if not isinstance(encoded, str):
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED))
    if encoded.startswith("data:"):
        encoded = encoded.partition(",")[2]
    try:
        image = base64.b64decode("".join(encoded.split()), validate=True)
    except binascii.Error as error:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED)) from error
    if not image:
        raise GenerationFailed(failure(FailureCode.NO_OUTPUT))
    return image


def is_html(response: requests.Response) -> bool:
    """Return whether the body is a page in HTML."""
    content_type = response.headers.get("Content-Type", "")
    return "html" in content_type.lower() or response.text.lstrip()[:1] == "<"


def unavailable(message: str | None = None, *, concerns_template: bool = True) -> GenerationFailed:
    """Return the failure of a server that does not offer the template's model.

    `concerns_template` is False if only a parameter of the job is not offered.
    """
    return GenerationFailed(
        failure(FailureCode.MODEL_UNAVAILABLE, message), concerns_template=concerns_template
    )


def _failure_of(response: requests.Response) -> GenerationFailed:
    status = response.status_code
    is_error_of_server = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    words, field = _words_and_field(response)
    if _NO_SAMPLER.search(words):
        return unavailable(concerns_template=False)
    if status < HTTPStatus.BAD_REQUEST or status in _NO_API or _NO_MODEL.search(words):
        return unavailable()
    if not is_error_of_server and status != _TOO_LARGE and is_html(response):
        # A firewall in front of the server may refuse this request only.
        return unavailable(concerns_template=False)
    if status == _TOO_LARGE:
        return GenerationFailed(
            failure(
                FailureCode.INVALID_INPUT,
                "The server does not accept a request of this size. Nothing was charged. "
                "Submit the job again with a smaller image.",
            )
        )
    if status in _REFUSED_INPUT:
        return GenerationFailed(invalid_input(words, field))
    code = FailureCode.PREDICTION_FAILED if is_error_of_server else FailureCode.PROVIDER_UNAVAILABLE
    return GenerationFailed(failure(code))


def _words_and_field(response: requests.Response) -> tuple[str, str | None]:
    """Return the server's words about a refused request, and the parameter that they name.

    FastAPI's `detail` is a text or a list of {loc, msg}. stable-diffusion.cpp has `error` and
    `message`.
    """
    try:
        document = response.json()
    except ValueError:
        return "", None
    if not isinstance(document, dict):
        return "", None
    detail = document.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        location = detail[0].get("loc")
        name = str(location[-1]) if isinstance(location, list) and location else None
        return str(detail[0].get("msg", "")), _PARAMETERS.get(name, name) if name else None
    words = detail or document.get("message") or document.get("errors") or document.get("error")
    return words if isinstance(words, str) else "", None


def _retry_after_seconds(response: requests.Response) -> float:
    try:
        seconds = float(response.headers.get("Retry-After", ""))
    except ValueError:
        return UNREACHABLE_SECONDS
    return (
        min(max(seconds, 1.0), _RETRY_AFTER_SECONDS_MAX)
        if math.isfinite(seconds)
        else UNREACHABLE_SECONDS
    )
