"""What Replicate's error responses and the errors of its predictions mean, and who caused them.

The facts are from replicate.com/docs/reference/http, replicate.com/docs/reference/error-codes and
the reports named below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any

import replicate

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import Failure, FailureCode, failure
from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.providers.provider_texts import (
    account_refused,
    invalid_input,
    is_account_accepted,
    log_refusal,
    refusal_of,
)

ACCOUNT_RETRY_SECONDS = 60.0
_RETRY_AFTER_SECONDS_DEFAULT = 10.0
_RETRY_AFTER_SECONDS_MAX = 120.0
_UNHANDLED_SECONDS = 10.0
_RESETS_IN = re.compile(r"~?(\d+)s")

_OUR_ACCOUNT = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}
# Reported by clients without the HTTP status, also as the error of a prediction. Words are compared
# with the beginning of a text only, because a user's prompt may be quoted later in the text.
_ACCOUNT_WORDS = re.compile(r"\W*(monthly )?spend limit reached|insufficient credit", re.IGNORECASE)
_UNKNOWN_EFFECT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT}

_NO_MODEL = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}
# github.com/replicate/replicate-javascript/issues/307 and replicate-python/issues/341.
_NO_MODEL_WORDS = re.compile(
    r"invalid version|the (specified )?(version|model) (does not exist|is disabled|was retired)",
    re.IGNORECASE,
)
_REFUSED_INPUT = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
# Darkroom writes these fields, so the user cannot correct them.
_OWN_FIELDS = {"webhook", "webhook_events_filter", "cancel-after", "cancel_after", "prefer"}

# Replicate's words for an input that its run cannot use, for example an image at a dead link
# (github.com/pollinations/pollinations/issues/10801, github.com/xinntao/Real-ESRGAN/issues/662).
_RUN_REFUSES_INPUT = re.compile(
    r"^\s*(?:Input validation error|Prediction input failed validation):\s*(?P<words>.*)",
    re.IGNORECASE | re.DOTALL,
)
_FIELD_IN_JSON = re.compile(r'"loc":\s*\[\s*"body",\s*"input",\s*"(\w{1,60})"')
_MESSAGE_IN_JSON = re.compile(r'"msg":\s*"([^"]{1,300})"')
_FIELD_BEFORE_COLON = re.compile(r"^(?:input\.)?(\w{1,60}):\s*(.+)", re.DOTALL)
# Real-ESRGAN's error for an image with too many pixels. An image at an https URL can have more than
# its template allows, because Darkroom never fetches it.
_TOO_LARGE = re.compile(r"greater than the max size that fits in GPU memory")
# The prediction was interrupted or did not start, and its input is not the cause. Codes E#### are
# from the page of error codes. PA, E9828, E003 ("high demand") and E004 are reported by users only.
_INTERRUPTED = re.compile(r"\((code: PA|E1000|E6716|E8367|E8765|E9828|E003|E004)\)")


def refusal_of_create(error: replicate.APIStatusError) -> Exception:
    """Log an error response to a create request, and return the exception to raise."""
    status, text = error.status_code, error.response.text
    log_refusal(status, text)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        # 503 means that the request was not handled (RFC 9110). If it still created a prediction,
        # the prediction appears soon.
        return ProviderUnavailable(str(status), unknown_seconds=_UNHANDLED_SECONDS)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _UNKNOWN_EFFECT:
        return ProviderUnavailable(str(status))
    return GenerationFailed(_failure_of_refusal(status, error.body))


def busy_or_account_refused(
    error: replicate.APIStatusError, *, check: Callable[[], None] | None = None
) -> ProviderBusy | None:
    """Return the error for a response that tells Darkroom to wait, or None for another response.

    Darkroom's account is refused by its statuses, or by words about its credit or its limit. With
    `check`, which calls Replicate about the account, a 403 may concern one request only.
    """
    title = _text(error.body, "title") or _text(error.body, "detail")
    is_refusal = error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    is_of_account = is_refusal and _ACCOUNT_WORDS.match(title) is not None
    if not is_of_account and error.status_code in _OUR_ACCOUNT:
        is_of_account = not (
            error.status_code == HTTPStatus.FORBIDDEN and check and is_account_accepted(check)
        )
    if is_of_account:
        log_refusal(error.status_code, error.response.text)
        return _account_refused(str(error.status_code), error.status_code)
    if error.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return ProviderBusy(_retry_after_seconds(error))
    return None


def failure_of_run(text: str, input_names: Collection[str]) -> tuple[Failure, bool]:
    """Return the failure of a failed prediction, and whether another prediction may succeed.

    `text` is the prediction's error, and `input_names` are the names of its inputs.
    """
    if _ACCOUNT_WORDS.match(text):
        _account_refused("prediction", None)
        return failure(FailureCode.PROVIDER_UNAVAILABLE), False
    if refused := refusal_of(text):
        return refused, False
    if _TOO_LARGE.search(text):
        message = (
            "The input image has too many pixels for the model. Nothing was charged. "
            "Submit the job again with a smaller image, or with an upload."
        )
        return failure(FailureCode.INVALID_INPUT, message), False
    if refused_input := _RUN_REFUSES_INPUT.match(text):
        return _invalid_input_of_run(refused_input["words"], input_names), False
    return failure(FailureCode.PREDICTION_FAILED), _INTERRUPTED.search(text) is not None


def is_no_model(status: int) -> bool:
    """Return whether a status, which is no success, means that a model does not exist.

    A redirect means that the model was renamed.
    """
    return status < HTTPStatus.BAD_REQUEST or status in _NO_MODEL


def no_token() -> ProviderAccountRefused:
    """Return the error for a stack without a token."""
    return _account_refused("no token", None)


def _account_refused(reason: str, status: int | None) -> ProviderAccountRefused:
    return account_refused(reason, status=status, retry_after_seconds=ACCOUNT_RETRY_SECONDS)


def _failure_of_refusal(status: int, body: object) -> Failure:
    """Return the failure for a create that Replicate refused, and did not carry out."""
    fields = _invalid_fields(body)
    names = {name.lower() for name, _ in fields}
    if is_no_model(status) or (status == HTTPStatus.FORBIDDEN and isinstance(body, dict)):
        return failure(FailureCode.MODEL_UNAVAILABLE)
    if "version" in names or _says_no_model(body):
        return failure(FailureCode.MODEL_UNAVAILABLE)
    if status not in _REFUSED_INPUT:
        return failure(FailureCode.PROVIDER_UNAVAILABLE)
    if names & _OWN_FIELDS:
        return failure(FailureCode.INTERNAL)
    words = "; ".join(description for _, description in fields) or _detail(body)
    return refusal_of(words) or invalid_input(words, _field_of_input(fields))


def _invalid_fields(body: object) -> list[tuple[str, str]]:
    """Return the field and the description of each entry of `invalid_fields`."""
    fields = body.get("invalid_fields") if isinstance(body, dict) else None
    return [
        (str(field.get("field", "")), str(field.get("description", "")))
        for field in (fields if isinstance(fields, list) else ())
        if isinstance(field, dict)
    ]


def _field_of_input(fields: list[tuple[str, str]]) -> str | None:
    """Return the parameter that the only entry is about, or None for several or none."""
    if len(fields) != 1:
        return None
    return fields[0][0].removeprefix("input").removeprefix(".") or None


def _detail(body: object) -> str:
    """Return the text of a problem document. Its lines begin with a hyphen."""
    lines = _text(body, "detail").splitlines()
    return "; ".join(line.removeprefix("- ").removeprefix("input: ") for line in lines if line)


def _invalid_input_of_run(words: str, input_names: Collection[str]) -> Failure:
    message, field = _MESSAGE_IN_JSON.search(words), _FIELD_IN_JSON.search(words)
    if message:
        return invalid_input(message[1], field and field[1])
    named = _FIELD_BEFORE_COLON.match(words)
    if named and named[1] in input_names:
        return invalid_input(named[2], named[1])
    return invalid_input(words)


def _says_no_model(body: object) -> bool:
    return any(_NO_MODEL_WORDS.match(_text(body, name)) for name in ("title", "detail"))


def _text(body: object, name: str) -> str:
    return str(body.get(name) or "") if isinstance(body, dict) else ""


def _retry_after_seconds(error: replicate.APIStatusError) -> float:
    """Return the delay from the header, else from `retry_after`, else from 'resets in ~Ns'.

    The delay is at least 1 and at most 120 seconds, or 10 seconds without a hint.
    """
    body: dict[str, Any] = error.body if isinstance(error.body, dict) else {}
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
