"""CloudWatch's alarms, evaluated on the metrics that functions wrote to their logs.

Sources: Amazon CloudWatch User Guide, "Specification: Embedded metric format", "Configuring how
CloudWatch alarms treat missing data" and "Using metric math"; PutMetricAlarm in the API reference.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aws import TEMPLATE

type Alarm = Mapping[str, Any]
"""The properties of an AWS::CloudWatch::Alarm. To evaluate it, its references are resolved."""

type Dimensions = frozenset[tuple[str, str]]

ALARMS: Mapping[str, Alarm] = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
OWN_NAMESPACE = "Darkroom"
SUM_OF_ALL = "SUM(FILL(METRICS(), 0))"
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One value of a metric. `at` is in seconds since 1970."""

    at: float
    namespace: str
    name: str
    dimensions: Dimensions
    value: float


def anchor_of(alarm_id: str) -> str:
    """Return the anchor of the alarm's section in the runbook."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", alarm_id.removesuffix("Alarm")).lower()


def metrics_of(alarm: Alarm) -> list[dict[str, Any]]:
    """Return each metric that the alarm reads: namespace, name and dimensions."""
    if "Metrics" not in alarm:
        return [{name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions")}]
    return [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]


def written_datapoints(log_dir: Path) -> list[Datapoint]:
    """Return the datapoints in the logs of all functions."""
    return [
        datapoint
        for path in sorted(log_dir.iterdir())
        for line in path.read_text(errors="replace").splitlines()
        if '"_aws"' in line
        for datapoint in datapoints_in(line)
    ]


def datapoints_in(line: str) -> Iterator[Datapoint]:
    """Yield the datapoints of one line in the embedded metric format."""
    document = json.loads(line)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, document[name]) for name in names)
            for metric in directive["Metrics"]:
                values = document[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    yield Datapoint(
                        document["_aws"]["Timestamp"] / 1000,
                        directive["Namespace"],
                        metric["Name"],
                        dimensions,
                        value,
                    )


def state_of(
    alarm: Alarm, datapoints: Iterable[Datapoint], *, at: float, before: str = "INSUFFICIENT_DATA"
) -> str:
    """Return the state of an alarm at a time. `before` is the state that it had before."""
    periods_count = alarm["EvaluationPeriods"]
    values = [
        _value(alarm, datapoints, end=at - number * _period_seconds(alarm))
        for number in range(periods_count)
    ]
    known = [value for value in values if value is not None]
    missing = alarm["TreatMissingData"]
    if not known and missing in ("ignore", "missing"):
        return before if missing == "ignore" else "INSUFFICIENT_DATA"
    is_breaching = _COMPARISONS[alarm["ComparisonOperator"]]
    breaching_count = sum(is_breaching(value, alarm["Threshold"]) for value in known)
    if missing == "breaching":
        breaching_count += periods_count - len(known)
    return "ALARM" if breaching_count >= alarm.get("DatapointsToAlarm", periods_count) else "OK"


def _period_seconds(alarm: Alarm) -> int:
    """Return the period of the alarm. All metrics of a math alarm have the same period."""
    if "Metrics" not in alarm:
        return int(alarm["Period"])
    (seconds,) = {each["MetricStat"]["Period"] for each in _queries(alarm)}
    return int(seconds)


def _queries(alarm: Alarm) -> list[dict[str, Any]]:
    return [each for each in alarm["Metrics"] if "MetricStat" in each]


def _value(alarm: Alarm, datapoints: Iterable[Datapoint], *, end: float) -> float | None:
    """Return the value of the period before `end`, or None without data."""
    start, datapoints = end - _period_seconds(alarm), list(datapoints)
    if "Metrics" not in alarm:
        name = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        return _statistic(name, _values_of(alarm, datapoints, start, end))
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    if expression != SUM_OF_ALL:
        raise NotImplementedError(expression)
    totals = [
        _statistic(
            query["MetricStat"]["Stat"],
            _values_of(query["MetricStat"]["Metric"], datapoints, start, end),
        )
        for query in _queries(alarm)
    ]
    return sum(total or 0 for total in totals)


def _values_of(
    metric: Mapping[str, Any], datapoints: Sequence[Datapoint], start: float, end: float
) -> list[float]:
    dimensions = frozenset((each["Name"], each["Value"]) for each in metric["Dimensions"])
    return [
        each.value
        for each in datapoints
        if start < each.at <= end
        and (each.namespace, each.name) == (metric["Namespace"], metric["MetricName"])
        and each.dimensions == dimensions
    ]


def _statistic(name: str, values: Sequence[float]) -> float | None:
    if not values:
        return None
    match name:
        case "Sum":
            return sum(values)
        case "Maximum":
            return max(values)
        case "SampleCount":
            return len(values)
        case _:
            raise NotImplementedError(name)
