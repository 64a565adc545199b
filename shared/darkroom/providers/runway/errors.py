"""What Runway's error responses and failure codes mean.

The sources are errors/errors, errors/troubleshooting and errors/task-failures of
docs.dev.runwayml.com. A comment names the source of words that these pages do not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import runwayml

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import Failure, FailureCode, failure
from darkroom.domain.provider_errors import ProviderBusy, ProviderUnavailable, ProviderUnreachable
from darkroom.providers.provider_texts import (
    account_refused,
    invalid_input,
    is_account_accepted,
    refusal_of,
)

_SHEDDING_LOAD_SECONDS = 10.0
_THROTTLED_SECONDS = 30.0
_ACCOUNT_REFUSED_SECONDS = 60.0
# Runway says that 502, 503 and 504 are safe to retry. A gateway that gets no response in time sends
# these too, and then the task may exist. Gateways wait 29 seconds or longer.
_SHEDDING_LOAD = {
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
SHEDDING_LOAD_SECONDS_MAX = 10.0
_EFFECT_UNKNOWN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY}
_WRONG_INPUT = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_NO_SUCH_MODEL = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}
# The beginnings of sentences, because a sentence may quote the user further on.
# 403 "Model variant gen3_alphaturbo is not available": github.com/runwayml/sdk-python/issues/139.
# A version of the API that Runway does not know has status 400.
_NOT_AVAILABLE = re.compile(r"Model variant \S+ is not available|The API version")
# 400 "You do not have enough credits …": github.com/runwayml/sdk-node/issues/28.
_NO_CREDITS = re.compile(r"You (do not|don't) have enough credits")
# 429 "Your daily task limit has been reached.": github.com/runwayml/sdk-python/issues/23.
_LIMIT_REACHED = re.compile(r"Your [\w ]{1,60} limit has been reached")
# 400 "promptImage: Unsupported Content-Type …": github.com/runwayml/sdk-python/issues/81.
_NAMES_FIELD = re.compile(r"(?P<field>[a-z]\w*)(\[\d+\]|\.\w+)*: (?P<reason>.+)", re.DOTALL)
_PARAMETERS = {"promptText": "prompt", "promptImage": "image"}


def busy(
    error: runwayml.APIStatusError, *, check: Callable[[], None] | None = None
) -> ProviderBusy | None:
    """Return the exception if Runway did nothing, and a later request may succeed.

    With `check`, which calls Runway about the organization, a 403 may concern one request only.
    """
    status = error.status_code
    reason = _account_refusal(status, _sentence(error))
    if reason and not (status == HTTPStatus.FORBIDDEN and check and is_account_accepted(check)):
        return account_refused(reason, status=status, retry_after_seconds=_ACCOUNT_REFUSED_SECONDS)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ProviderBusy(_THROTTLED_SECONDS)
    if (
        status in _SHEDDING_LOAD
        and error.response.elapsed.total_seconds() < SHEDDING_LOAD_SECONDS_MAX
    ):
        return ProviderUnreachable(_SHEDDING_LOAD_SECONDS)
    return None


def refusal(error: runwayml.APIStatusError) -> GenerationFailed | ProviderUnavailable:
    """Return the exception for an error response to a create request that is not busy.

    A status that Runway does not document is a fault. The user's parameters are not its cause.
    """
    status = error.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _EFFECT_UNKNOWN:
        return ProviderUnavailable(str(status))
    issues = _issues(error.body)
    if (
        status < HTTPStatus.BAD_REQUEST
        or status in _NO_SUCH_MODEL
        or (status == HTTPStatus.FORBIDDEN and isinstance(error.body, Mapping))
        or "model" in {field for field, _ in issues}
        or _NOT_AVAILABLE.match(_sentence(error))
    ):
        return GenerationFailed(failure(FailureCode.MODEL_UNAVAILABLE))
    if status not in _WRONG_INPUT:
        return GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE))
    words, field = _described(issues)
    if not words and status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        words = "The request is too large"
    return GenerationFailed(refusal_of(words) or invalid_input(words, field))


def failure_of_task(code: object, words: str) -> Failure:
    """Return the failure of a task with this failure code. `words` are Runway's own.

    Two codes are in public logs only: INPUT_PREPROCESSING.SAFETY.THIRD_PARTY and
    THIRD_PARTY.INPUT_VALIDATION.
    """
    parts = str(code or "").split(".")
    if "SAFETY" in parts:
        return failure(FailureCode.REFUSED, _moderation_message(parts))
    if parts[0] == "ASSET":
        return invalid_input(_with_our_names(words), "image")
    if "INPUT_VALIDATION" in parts:
        return invalid_input(_with_our_names(words))
    unspecified = None if parts[0] == "INTERNAL" else refusal_of(words)
    return unspecified or failure(FailureCode.PREDICTION_FAILED)


def _account_refusal(status: int, sentence: str) -> str | None:
    """Return why Runway refuses Darkroom's account, or None."""
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return "key"
        case HTTPStatus.PAYMENT_REQUIRED:
            return "credits"
        case HTTPStatus.BAD_REQUEST if _NO_CREDITS.match(sentence):
            return "credits"
        case HTTPStatus.FORBIDDEN if not _NOT_AVAILABLE.match(sentence):
            return "forbidden"
        case HTTPStatus.TOO_MANY_REQUESTS if _LIMIT_REACHED.match(sentence):
            return "limit"
        case _:
            return None


def _sentence(error: runwayml.APIStatusError) -> str:
    body = error.body
    return str(body.get("error") or "") if isinstance(body, Mapping) else ""


def _issues(body: object) -> list[tuple[str | None, str]]:
    """Return what is wrong with a request: the parameter, if Runway names one, and Runway's words.

    The body has `error`, a sentence, and may have `issues`, one for each wrong field.
    """
    if not isinstance(body, Mapping):
        return []
    issues = body.get("issues")
    found = [
        (_field_of(issue), _with_our_names(str(issue.get("message") or "")))
        for issue in (issues if isinstance(issues, list) else ())
        if isinstance(issue, Mapping)
    ]
    sentence = str(body.get("error") or "")
    named = _NAMES_FIELD.fullmatch(sentence)
    if found or not named:
        return found or [(None, _with_our_names(sentence))]
    return [(_with_our_names(named["field"]), _with_our_names(named["reason"]))]


def _described(issues: list[tuple[str | None, str]]) -> tuple[str, str | None]:
    """Return the words of all issues, and their parameter if they have one in common."""
    fields = {field for field, _ in issues}
    if len(fields) == 1:
        return "; ".join(words for _, words in issues), fields.pop()
    return "; ".join(f"{field}: {words}" if field else words for field, words in issues), None


def _field_of(issue: Mapping[str, Any]) -> str | None:
    path = issue.get("path")
    return _with_our_names(str(path[0])) if isinstance(path, list) and path else None


def _with_our_names(text: str) -> str:
    """Return the text with the names of the template's parameters instead of Runway's."""
    for runways, ours in _PARAMETERS.items():
        text = text.replace(runways, ours)
    return text


def _moderation_message(parts: list[str]) -> str:
    """Return the message for a refusal. Runway calls the input in a code a best effort."""
    refused, change = "an input", "the prompt or the input image"
    if "OUTPUT" in parts:
        refused = "the output"
    elif parts[-1] == "TEXT":
        refused = "an input, most likely the prompt"
    elif parts[-1] == "IMAGE":
        refused, change = "an input, most likely the image", "the input image or the prompt"
    return (
        f"The provider refused {refused}, as sensitive. Nothing was charged. "
        f"Change {change}, and submit the job again."
    )
