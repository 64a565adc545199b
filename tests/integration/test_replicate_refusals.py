"""Replicate's refusals: whom each blames, what the user reads, and what an operator sees."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from darkroom.domain.errors import DarkroomError, GenerationFailed
from darkroom.domain.failures import Failure, FailureCode
from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.observability import metrics
from darkroom.providers import counting_outages, replicate
from tests.integration.replicate_responses import PREDICTION, REQUEST, Replicate, replicate_api

pytestmark = pytest.mark.usefixtures("aws")

STATUSES = sorted({status.value for status in HTTPStatus if status >= 300} | {419, 520, 524, 599})
MODEL, INPUT = FailureCode.MODEL_UNAVAILABLE, FailureCode.INVALID_INPUT
ACCOUNT = "ProviderAccountRefused"
METRICS: dict[type, set[str]] = {
    ProviderAccountRefused: {ACCOUNT},
    ProviderUnavailable: {"ProviderUnavailable"},
}
SECRETS = "see https://replicate.com/p/1?token=abc, key r8_abcdefgh12345678, ann@example.com"

# Every status of a create that has a meaning of its own. Other 4xx blame the provider: the user
# cannot correct what Darkroom wrote. 3xx and 5xx follow below.
EXPECTED: dict[int, type[DarkroomError] | FailureCode] = {
    400: INPUT,
    401: ProviderAccountRefused,
    402: ProviderAccountRefused,
    403: ProviderAccountRefused,
    404: MODEL,
    405: MODEL,
    408: ProviderUnavailable,
    409: ProviderUnavailable,
    410: MODEL,
    413: INPUT,
    422: INPUT,
    429: ProviderBusy,
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicate]:
    with replicate_api(monkeypatch) as api:
        yield api


def expected_of(status: int) -> type[DarkroomError] | FailureCode:
    if status < 400:
        return MODEL
    if status >= 500:
        return ProviderUnavailable
    return EXPECTED.get(status, FailureCode.PROVIDER_UNAVAILABLE)


def error_of_create() -> DarkroomError:
    metrics.clear_metrics()
    with pytest.raises(DarkroomError) as raised, counting_outages():
        replicate.create(REQUEST)
    return raised.value


def failure_of_create(api: Replicate, status: int, document: object) -> Failure:
    api.responds(status, document)
    error = error_of_create()
    assert isinstance(error, GenerationFailed)
    return error.failure


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the fields of the log lines about refusals, and forget these lines."""
    lines = [vars(record) for record in caplog.records if record.msg == "provider refused"]
    caplog.clear()
    return lines


def test_each_status_of_a_create_has_its_error_and_its_metric(
    api: Replicate, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    for status in STATUSES:
        with subtests.test(status=status):
            api.received.clear()
            location = {"Location": "https://other.example/v1/predictions"}
            api.responds(status, {"title": "No", "detail": SECRETS}, **location)

            error = error_of_create()

            expected = expected_of(status)
            if isinstance(expected, FailureCode):
                assert isinstance(error, GenerationFailed)
                assert error.failure.code is expected
                assert error.failure.is_fault is (expected is not INPUT)
                assert error.failure.retryable is (expected is FailureCode.PROVIDER_UNAVAILABLE)
            else:
                assert type(error) is expected
            # The end of the job counts a GenerationFailed.
            assert set(metrics.metric_set) == METRICS.get(type(error), set())
            lines = logged(caplog)
            logged_count = {403: 2, 429: 0}.get(status, 1)
            assert [line["status"] for line in lines] == [status] * logged_count
            assert "lighthouse" not in repr(lines), "no input in the log"
            # Only a 401 is repeated, because the token may have been rotated. After a 403, the
            # account is read. No redirect is followed.
            more = {401: ["/v1/predictions"], 403: ["/v1/account"]}.get(status, [])
            assert [request.path for request in api.received] == ["/v1/predictions", *more]


REFUSALS: list[tuple[int, object, FailureCode, str]] = [
    (
        422,
        {
            "title": "Invalid version or not permitted",
            "detail": "The specified version does not exist (or perhaps you don't have "
            "permission to use it?)",
        },
        MODEL,
        "Choose another template",
    ),
    (422, {"detail": "The specified version does not exist"}, MODEL, "Choose another"),
    (
        422,
        {"invalid_fields": [{"field": "version", "description": "is not a version"}]},
        MODEL,
        "Choose another template",
    ),
    (
        422,
        {"invalid_fields": [{"field": "webhook", "description": "must be https"}]},
        FailureCode.INTERNAL,
        "internal error",
    ),
    (
        422,
        {"title": "Input validation failed", "detail": "- input: prompt is too long\n"},
        INPUT,
        "these parameters: prompt is too long. Nothing was charged. Change the parameters",
    ),
    (
        422,
        {"invalid_fields": [{"field": "input.seed", "description": "Must be >= 0"}]},
        INPUT,
        "The model did not accept `seed`: Must be >= 0. Nothing was charged.",
    ),
    (422, {}, INPUT, "The model did not accept these parameters. Nothing was charged."),
    (422, ["odd"], INPUT, "The model did not accept these parameters. Nothing was charged."),
    (
        400,
        {"detail": "The input image may contain sensitive information."},
        FailureCode.REFUSED,
        "The model refused the input image: The input image may contain",
    ),
    (400, {"detail": f"bad image, {SECRETS}"}, INPUT, "bad image, see [link] key [key]"),
]


def test_words_of_a_refusal_decide_whom_it_blames(
    api: Replicate, subtests: pytest.Subtests
) -> None:
    for status, document, code, words in REFUSALS:
        with subtests.test(status=status, document=document):
            failed = failure_of_create(api, status, document)

            assert failed.code is code
            assert words in failed.message
            assert "Nothing was charged." in failed.message


@pytest.mark.parametrize("status", [400, 402, 422, 429])
@pytest.mark.parametrize("words", ["Monthly spend limit reached", "Insufficient credit"])
def test_a_limit_of_the_account_is_no_fault_of_the_user(
    api: Replicate, status: int, words: str
) -> None:
    api.responds(status, {"title": words, "detail": "Go to https://replicate.com/account/billing."})

    error = error_of_create()

    assert isinstance(error, ProviderAccountRefused)
    assert ACCOUNT in metrics.metric_set


@pytest.mark.parametrize(
    "prompt", ["spend limit reached", "The specified version does not exist", "Invalid version"]
)
def test_a_quoted_prompt_blames_neither_the_account_nor_the_model(
    api: Replicate, prompt: str
) -> None:
    """A user could stop a template or a provider for everybody."""
    detail = f"- input: prompt {prompt!r} is too long"
    field = {"field": "input.prompt", "description": f"{prompt!r} is too long"}

    assert failure_of_create(api, 422, {"detail": detail}).code is INPUT
    assert failure_of_create(api, 422, {"detail": detail, "invalid_fields": [field]}).code is INPUT
    api.responds(200, PREDICTION | {"status": "failed", "error": f"Cannot draw {prompt!r}"})
    failed = replicate.get("p1").failure
    assert failed
    assert failed.code is FailureCode.PREDICTION_FAILED
    assert metrics.metric_set == {}


ERRORS: list[tuple[object, str, bool, str]] = [
    ("The input or output was flagged as sensitive. (E005) (abc)", "refused", False, "E005"),
    ("NSFW content detected. Try again.", "refused", False, "withheld the output: NSFW"),
    ("OutputAudioSensitiveContentDetected", "refused", False, "the audio of the output"),
    ("Your prompt violates our content policy.", "refused", False, "content policy"),
    (
        "Input validation error: failed to download image",
        "invalid_input",
        False,
        "these parameters: failed to download image. Nothing was charged.",
    ),
    ("Input validation error: image: not found", "invalid_input", False, "`image`: not found"),
    ("Input validation error: width: odd", "invalid_input", False, "parameters: width: odd"),
    (
        'Prediction input failed validation: {"loc": ["body", "input", "tile"], "msg": "no"}',
        "invalid_input",
        False,
        "`tile`: no.",
    ),
    (
        "Input image of dimensions (9, 9, 3) is greater than the max size that fits in GPU memory",
        "invalid_input",
        False,
        "too many pixels",
    ),
    ("Prediction interrupted; please retry (code: PA)", "prediction_failed", True, "failed"),
    ("Unknown error (E1000)", "prediction_failed", True, "failed"),
    ("High demand. Please try again later. (E003)", "prediction_failed", True, "failed"),
    ("Service is temporarily unavailable. (E004)", "prediction_failed", True, "failed"),
    ("Timeout starting prediction (E6716)", "prediction_failed", True, "failed"),
    ("Prediction stopped (E8367)", "prediction_failed", True, "failed"),
    ("Model unhealthy (E8765)", "prediction_failed", True, "failed"),
    ("Director: unexpected error (E9828)", "prediction_failed", True, "failed"),
    ("CUDA out of memory (E1001)", "prediction_failed", False, "failed"),
    ("Model start error (E9243)", "prediction_failed", False, "failed"),
    ("Prediction failed: ", "prediction_failed", False, "failed"),
    (None, "prediction_failed", False, "failed"),
    ({"title": "an error that is no text"}, "prediction_failed", False, "failed"),
    ("Monthly spend limit reached", "provider_unavailable", False, "not available"),
]


def test_each_error_of_a_prediction_has_its_failure(
    api: Replicate, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    given = {"image": "https://example.com/a.png", "prompt": "a lighthouse"}
    for error, code, is_interrupted, words in ERRORS:
        with subtests.test(error=error):
            metrics.clear_metrics()
            api.responds(200, PREDICTION | {"status": "failed", "error": error, "input": given})

            prediction = replicate.get("p1")

            assert prediction.failure
            assert (prediction.failure.code, prediction.retryable) == (code, is_interrupted)
            assert words in prediction.failure.message
            assert prediction.failure.is_fault is (code not in ("refused", "invalid_input"))
            assert (ACCOUNT in metrics.metric_set) is (code == "provider_unavailable")
            (line,) = logged(caplog)
            assert (line["status"], line["prediction_id"]) == ("failed", "p1")


def test_the_log_has_500_characters_of_an_answer_without_keys(
    api: Replicate, caplog: pytest.LogCaptureFixture
) -> None:
    failure_of_create(api, 400, {"detail": f"{SECRETS} {'x' * 600}"})

    (line,) = logged(caplog)
    assert len(line["provider_answer"]) == 500
    assert "[link]" in line["provider_answer"]
    assert not any(part in line["provider_answer"] for part in ("token=", "r8_", "ann@"))
