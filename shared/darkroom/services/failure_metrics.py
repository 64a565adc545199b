"""The metrics of failures that go on until an operator acts."""

from __future__ import annotations

from darkroom.domain.failures import Failure, FailureCode
from darkroom.observability import Metric, count

FAILURE_METRICS = {
    FailureCode.MODEL_UNAVAILABLE: Metric.MODELS_UNAVAILABLE,
    FailureCode.OUTPUT_HOST_REFUSED: Metric.OUTPUT_HOSTS_REFUSED,
}
"""Each of these metrics has an alarm, whose name is the metric's name and `Alarm`."""


def count_failure(failure: Failure) -> None:
    """Count the failure of an ended job, if its code has a metric."""
    metric = FAILURE_METRICS.get(failure.code)
    if metric:
        count(metric)
