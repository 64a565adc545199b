"""Every failure code of a task: what it means for the job, the user and the operator.

Source: docs.dev.runwayml.com/errors/task-failures. Public logs also have the codes
INPUT_PREPROCESSING.SAFETY.THIRD_PARTY and THIRD_PARTY.INPUT_VALIDATION.
"""

from __future__ import annotations

import pytest

from darkroom.domain.failures import FailureCode
from darkroom.domain.predictions import Prediction
from darkroom.observability import metrics
from darkroom.providers import runway
from tests.integration.runway_provider.scripted import TASK, Runway

REFUSED, INVALID, FAILED = (
    FailureCode.REFUSED,
    FailureCode.INVALID_INPUT,
    FailureCode.PREDICTION_FAILED,
)
# The failure code, the failure of the job, whether Darkroom requests one more prediction, and what
# the user reads.
CODES: list[tuple[object, FailureCode, bool, str]] = [
    ("SAFETY.INPUT.TEXT", REFUSED, False, "refused an input, most likely the prompt"),
    ("SAFETY.INPUT.IMAGE", REFUSED, False, "refused an input, most likely the image"),
    ("SAFETY.INPUT.VIDEO", REFUSED, False, "refused an input, as sensitive"),
    ("SAFETY.INPUT", REFUSED, False, "refused an input, as sensitive"),
    ("SAFETY", REFUSED, False, "refused an input, as sensitive"),
    ("SAFETY.OUTPUT.VIDEO", REFUSED, False, "refused the output"),
    ("SAFETY.OUTPUT.TEXT", REFUSED, False, "refused the output"),
    ("INPUT_PREPROCESSING.SAFETY.TEXT", REFUSED, False, "most likely the prompt"),
    ("INPUT_PREPROCESSING.SAFETY.THIRD_PARTY", REFUSED, False, "refused an input, as sensitive"),
    ("ASSET.INVALID", INVALID, False, "`image`: Words for engineers"),
    ("ASSET.A.FUTURE.CODE", INVALID, False, "`image`: Words for engineers"),
    ("THIRD_PARTY.INPUT_VALIDATION", INVALID, False, "these parameters: Words for engineers"),
    ("INTERNAL.BAD_OUTPUT.CODE01", FAILED, False, "The model failed"),
    ("INTERNAL", FAILED, True, "The model failed"),
    ("INPUT_PREPROCESSING.INTERNAL", FAILED, True, "The model failed"),
    ("THIRD_PARTY.UNAVAILABLE", FAILED, True, "The model failed"),
    ("A.FUTURE.CODE", FAILED, False, "The model failed"),
    (None, FAILED, True, "The model failed"),
    ("", FAILED, False, "The model failed"),
    (7, FAILED, False, "The model failed"),
]


def failed_task(api: Runway, **fields: object) -> Prediction:
    api.responds(200, TASK | {"status": "FAILED"} | fields)
    return runway.get(TASK["id"])


@pytest.mark.parametrize(("code", "expected", "is_repeated", "message"), CODES)
def test_every_failure_code_has_one_meaning(
    api: Runway, code: object, expected: FailureCode, *, is_repeated: bool, message: str
) -> None:
    prediction = failed_task(api, failure="Words for engineers.", failureCode=code)

    failure = prediction.failure
    assert failure
    assert (failure.code, prediction.retryable) == (expected, is_repeated)
    assert (failure.retryable, failure.is_fault) == (expected is FAILED, expected is FAILED)
    assert message in failure.message
    assert "Nothing was charged." in failure.message
    assert ("engineers" in failure.message) is (expected is INVALID)
    assert metrics.metric_set == {}


def test_common_refusal_without_a_code_of_moderation_is_a_refusal(api: Runway) -> None:
    words = "The input image was refused (E005)"

    refused = failed_task(api, failure=words, failureCode=None)
    failed = failed_task(api, failure=words, failureCode="INTERNAL")

    assert refused.failure
    assert (refused.failure.code, refused.retryable) == (REFUSED, False)
    assert failed.failure
    assert (failed.failure.code, failed.retryable) == (FAILED, True)


def test_user_and_log_get_no_link(api: Runway, caplog: pytest.LogCaptureFixture) -> None:
    prediction = failed_task(
        api, failure="No image at https://ann.example/a?sig=x", failureCode="ASSET.INVALID"
    )

    (logged,) = [vars(each) for each in caplog.records if each.message == "provider refused"]
    assert logged["status"] == "failed"
    assert logged["provider_answer"].startswith("ASSET.INVALID: No image at")
    assert prediction.failure
    for text in (prediction.failure.message, logged["provider_answer"]):
        assert "No image at" in text
        assert "ann.example" not in text
