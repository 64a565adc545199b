"""Every failure code has its kind, and docs/failures.md is written from the code."""

from __future__ import annotations

import pytest

from darkroom.domain.failures import KINDS, FailureCode, failure
from darkroom.services.failure_metrics import FAILURE_METRICS
from tests.alarms import ALARMS
from tests.aws import ROOT
from tools.failures import failures_text

# The user caused these, so no alarm rings. Each other code is a fault.
OF_THE_USER = {FailureCode.REFUSED, FailureCode.INVALID_INPUT, FailureCode.CANCELED}
# The same job ends the same way.
DETERMINISTIC = OF_THE_USER | {
    FailureCode.OUTPUT_REJECTED,
    FailureCode.OUTPUT_HOST_REFUSED,
    FailureCode.MODEL_UNAVAILABLE,
}


@pytest.mark.parametrize("code", FailureCode)
def test_each_code_blames_whoever_caused_it_and_tells_whether_to_retry(code: FailureCode) -> None:
    failed = failure(code)

    assert failed.is_fault is (code not in OF_THE_USER)
    assert failed.retryable is (code not in DETERMINISTIC)


@pytest.mark.parametrize("code", FailureCode)
def test_each_message_says_what_happened_what_it_cost_and_what_to_do(code: FailureCode) -> None:
    sentences = KINDS[code].message.removesuffix(".").split(". ")

    assert "Nothing was charged" in sentences[1:]
    assert len(sentences) >= 3 or code is FailureCode.CANCELED
    assert KINDS[code].meaning.endswith(".")


def test_a_failure_that_only_an_operator_can_end_has_its_own_alarm() -> None:
    faults = {
        code for code in DETERMINISTIC - OF_THE_USER if code is not FailureCode.OUTPUT_REJECTED
    }

    assert FAILURE_METRICS.keys() == faults
    for metric in FAILURE_METRICS.values():
        assert ALARMS[f"{metric}Alarm"]["MetricName"] == metric


def test_the_page_in_the_repository_is_generated_from_the_code() -> None:
    assert (ROOT / "docs/failures.md").read_text() == failures_text(), "run make failures"
