"""Darkroom's metrics have their names in one place, and each alarm has an existing metric."""

from __future__ import annotations

from darkroom.observability import Metric
from tests.aws import ROOT, TEMPLATE

ALARMS = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}


def test_an_alarm_in_the_namespace_darkroom_has_a_metric_that_is_counted() -> None:
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
            f"{name}: no code counts the metric {metric}"
        )


def test_only_the_module_observability_adds_metrics() -> None:
    adders = {
        path.name
        for folder in ("shared", "functions")
        for path in (ROOT / folder).rglob("*.py")
        if ".add_metric(" in path.read_text()
    }

    assert adders == {"observability.py"}
