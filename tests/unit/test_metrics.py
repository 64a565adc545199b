"""Every metric of Darkroom's own has its name in one place, and each alarm on one names a metric that exists."""

from __future__ import annotations

from darkroom.observability import Metric
from tests.aws import ROOT, TEMPLATE

ALARMS = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}


def test_an_alarm_on_our_own_namespace_names_a_metric_that_is_counted() -> None:
    own = {
        name: alarm["MetricName"]
        for name, alarm in ALARMS.items()
        if alarm["Namespace"] == "Darkroom"
    }
    source = "".join(
        path.read_text()
        for folder in ("shared", "functions")
        for path in (ROOT / folder).rglob("*.py")
    )

    assert own
    for name, metric in own.items():
        assert metric in set(Metric), name
        assert f"Metric.{Metric(metric).name}" in source, (
            f"{name} watches a metric that nothing counts"
        )


def test_no_module_names_a_metric_by_a_string_of_its_own() -> None:
    adders = {
        path.name
        for folder in ("shared", "functions")
        for path in (ROOT / folder).rglob("*.py")
        if ".add_metric(" in path.read_text()
    }

    assert adders == {"observability.py"}
