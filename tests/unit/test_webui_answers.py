"""What each answer of a WebUI, or of a gateway in front of it, means for the job."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
import requests

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
    ProviderUnreachable,
)
from darkroom.observability import metrics
from darkroom.providers.stable_diffusion.responses import document_of, error_of, image_in

ACCOUNT = {401, 402, 403, 407}
UNREACHABLE = {502, 503, 521, 523, 525, 526, 530}
UNANSWERED = {408, 504, 520, 522, 524}
INVALID_INPUT = {400, 413, 422}
NO_MODEL = set(range(201, 400)) | {404, 405, 410, 501}
STATUSES = sorted(
    {int(status) for status in HTTPStatus if status > HTTPStatus.OK} | UNREACHABLE | UNANSWERED
)
HTML = "<!DOCTYPE html><html><body>Log in</body></html>"


@pytest.fixture(autouse=True)
def _no_metrics() -> Iterator[None]:
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()


def response(
    status: int = 200, body: object = None, *, seconds: float = 0, **headers: str
) -> requests.Response:
    """Return a response. A body that is no text is sent as JSON."""
    made = requests.Response()
    made.status_code = status
    made._content = (body if isinstance(body, str) else json.dumps(body)).encode()
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    made.elapsed = timedelta(seconds=seconds)
    return made


def expected(status: int) -> type[Exception] | FailureCode:
    """Return the error of an answer without words, or the code of its failure."""
    meanings: dict[int, type[Exception] | FailureCode] = {
        HTTPStatus.TOO_MANY_REQUESTS: ProviderBusy,
        **dict.fromkeys(ACCOUNT, ProviderAccountRefused),
        **dict.fromkeys(UNREACHABLE, ProviderUnreachable),
        **dict.fromkeys(UNANSWERED, ProviderUnavailable),
        **dict.fromkeys(NO_MODEL, FailureCode.MODEL_UNAVAILABLE),
        **dict.fromkeys(INVALID_INPUT, FailureCode.INVALID_INPUT),
    }
    is_error_of_server = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return meanings.get(
        status,
        FailureCode.PREDICTION_FAILED if is_error_of_server else FailureCode.PROVIDER_UNAVAILABLE,
    )


def code_of(error: Exception) -> FailureCode:
    assert isinstance(error, GenerationFailed), error
    return error.failure.code


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_has_one_meaning_and_is_logged(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    error = error_of(response(status, {"detail": "words of the server"}))

    wanted = expected(status)
    if isinstance(wanted, FailureCode):
        assert isinstance(error, GenerationFailed)
        failed = error.failure
        is_input = wanted is FailureCode.INVALID_INPUT
        assert (failed.code, failed.is_fault) == (wanted, not is_input)
        assert failed.retryable is (
            wanted in (FailureCode.PREDICTION_FAILED, FailureCode.PROVIDER_UNAVAILABLE)
        )
        if is_input and status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            assert "words of the server" in failed.message
    else:
        assert type(error) is wanted
    assert ("ProviderAccountRefused" in metrics.metric_set) is (status in ACCOUNT)
    (logged,) = [vars(record) for record in caplog.records if record.msg == "provider refused"]
    assert (logged["status"], logged["provider_answer"]) == (
        status,
        '{"detail": "words of the server"}',
    )


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(0, ProviderUnreachable), (5, ProviderUnreachable), (5.1, ProviderUnavailable)],
)
def test_a_502_after_five_seconds_is_an_unanswered_run(
    seconds: float, error: type[Exception]
) -> None:
    assert type(error_of(response(502, {}, seconds=seconds))) is error


@pytest.mark.parametrize("status", sorted(UNANSWERED))
def test_an_unanswered_run_may_be_looked_for_at_once(status: int) -> None:
    error = error_of(response(status, {}))

    assert isinstance(error, ProviderUnavailable)
    assert error.unknown_seconds == 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 1), ("900", 120), ("soon", 10), ("nan", 10), ("inf", 10)],
)
def test_a_throttled_request_waits_as_long_as_the_gateway_says(header: str, seconds: int) -> None:
    error = error_of(response(429, {}, Retry_After=header))

    assert isinstance(error, ProviderBusy)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (404, {"error": "HTTPException", "detail": "Sampler not found"}),
        (400, {"detail": "Sampler not found"}),
        (400, {"error": "loaded model does not support img_gen"}),
        (500, {"error": "FileNotFoundError", "errors": "No checkpoints found. When searching"}),
        (500, {"error": "RuntimeError", "detail": "", "errors": "model 'sdxl' not found"}),
    ],
)
def test_a_server_without_the_model_is_the_operators_fault(status: int, document: Any) -> None:
    assert code_of(error_of(response(status, document))) is FailureCode.MODEL_UNAVAILABLE


def test_the_users_own_words_do_not_make_the_model_unavailable() -> None:
    echoed = {"detail": "Not valid", "body": {"prompt": "Sampler not found"}}

    assert code_of(error_of(response(422, echoed))) is FailureCode.INVALID_INPUT


@pytest.mark.parametrize(
    ("status", "concerns_template"),
    [(302, True), (404, True), (400, False), (406, False), (418, False), (422, False)],
)
def test_a_page_in_html_comes_from_no_webui(status: int, *, concerns_template: bool) -> None:
    """A firewall in front of a WebUI answers with a page too. It may refuse one prompt only."""
    error = error_of(response(status, HTML, Content_Type="text/html"))

    assert isinstance(error, GenerationFailed)
    assert error.failure.code is FailureCode.MODEL_UNAVAILABLE
    assert error.concerns_template is concerns_template


def test_a_refused_field_is_named_as_the_parameter_of_the_template() -> None:
    detail = [{"loc": ["body", "sampler_name"], "msg": "str type expected", "type": "type_error"}]

    error = error_of(response(422, {"detail": detail}))

    assert isinstance(error, GenerationFailed)
    assert error.failure.message.startswith(
        "The model did not accept `sampler`: str type expected. Nothing was charged."
    )


def test_a_gateway_that_accepts_no_large_request_says_so() -> None:
    error = error_of(response(413, HTML, Content_Type="text/html"))

    assert isinstance(error, GenerationFailed)
    assert error.failure.code is FailureCode.INVALID_INPUT
    assert "a smaller image" in error.failure.message


def test_links_and_keys_of_the_server_do_not_reach_the_user() -> None:
    words = "see http://10.0.0.7:7860/admin?token=abc and r8_abcdefghijklmnop"

    error = error_of(response(422, {"detail": words}))

    assert isinstance(error, GenerationFailed)
    assert "10.0.0.7" not in error.failure.message
    assert "r8_abc" not in error.failure.message


@pytest.mark.parametrize("body", [HTML, [], None, "7", "\n  <html>"])
def test_a_200_without_a_json_object_comes_from_no_webui(body: object) -> None:
    with pytest.raises(GenerationFailed) as failed:
        document_of(response(200, body))

    assert failed.value.failure.code is FailureCode.MODEL_UNAVAILABLE


@pytest.mark.parametrize("body", ["", '{"images": ["aGVs', "Internal"])
def test_a_200_that_is_cut_off_is_an_unanswered_run(body: str) -> None:
    with pytest.raises(ProviderUnavailable):
        document_of(response(200, body))


@pytest.mark.parametrize(
    ("images", "code"),
    [
        (["not base64!"], FailureCode.OUTPUT_REJECTED),
        ([7], FailureCode.OUTPUT_REJECTED),
        ([""], FailureCode.NO_OUTPUT),
        (["data:image/png;base64,"], FailureCode.NO_OUTPUT),
        (None, FailureCode.NO_OUTPUT),
        ([], FailureCode.NO_OUTPUT),
        ({"0": "aGVs"}, FailureCode.NO_OUTPUT),
    ],
)
def test_a_document_without_an_image_is_a_failure(images: object, code: FailureCode) -> None:
    with pytest.raises(GenerationFailed) as failed:
        image_in({"images": images})

    assert failed.value.failure.code is code
    with pytest.raises(GenerationFailed):
        image_in({})


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_the_first_image_is_decoded(head: str) -> None:
    encoded = base64.encodebytes(bytes(range(100))).decode()

    assert image_in({"images": [head + encoded, "another"]}) == bytes(range(100))
