"""Metrics, alarms, dashboard and runbook name the same things."""

from __future__ import annotations

import ast
import re

import pytest

from darkroom.observability import Metric
from tests.alarms import ALARMS, OWN_NAMESPACE, Datapoint, anchor_of, metrics_of, state_of
from tests.aws import ROOT, TEMPLATE
from tests.unit import dashboard

RESOURCES = TEMPLATE["Resources"]
RUNBOOK = (ROOT / "docs/operations.md").read_text()
OWN = {
    alarm_id: alarm
    for alarm_id, alarm in ALARMS.items()
    if metrics_of(alarm)[0]["Namespace"] == OWN_NAMESPACE
}
# The sections of the runbook about incidents that have no alarm of their own, and about tools.
SECTIONS_WITHOUT_ALARM = {
    "account-at-its-limits",
    "bad-deploy",
    "dead-receiver",
    "delete-the-stack",
    "find-a-job-by-its-id",
    "flood-by-one-account",
    "lost-user-pool",
    "pause-new-jobs",
    "read-one-job",
    "restore",
    "s3-denied",
    "search-the-logs",
    "set-the-variables",
    "stuck-job",
    "suspend-an-account",
}
OBSERVABILITY = ROOT / "shared/darkroom/observability.py"
CODE = {
    path: path.read_text()
    for folder in ("shared", "functions")
    for path in (ROOT / folder).rglob("*.py")
}


def anchors() -> set[str]:
    """Return the anchor of each heading of the runbook, as GitHub makes it."""
    headings = re.findall(r"^#{2,} (.+)$", RUNBOOK, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("metric", Metric)
def test_each_metric_is_counted(metric: Metric) -> None:
    counters = {path for path, text in CODE.items() if f"Metric.{metric.name}" in text}
    by_status = {f"Jobs{status}" for status in ("Canceled", "Completed", "Failed")}

    assert counters - {OBSERVABILITY} or metric in by_status


def test_each_metric_has_a_meaning() -> None:
    (enum,) = [
        node
        for node in ast.parse(OBSERVABILITY.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Metric"
    ]
    undocumented = [
        ast.unparse(node)
        for node, following in zip(enum.body, [*enum.body[1:], None], strict=True)
        if isinstance(node, ast.Assign)
        and not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant))
    ]

    assert undocumented == []


def test_only_the_module_observability_adds_metrics() -> None:
    assert {path for path, text in CODE.items() if ".add_metric(" in text} == {OBSERVABILITY}


@pytest.mark.parametrize("alarm_id", OWN)
def test_an_alarm_on_an_own_metric_reads_the_metric_of_its_stack(alarm_id: str) -> None:
    (metric,) = metrics_of(OWN[alarm_id])

    assert metric["MetricName"] in set(Metric)
    assert metric["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]


def test_each_alarm_on_an_own_metric_rings_in_a_test() -> None:
    files = (ROOT / "tests/integration/observability").glob("test_*.py")
    tests = "".join(each.read_text() for each in files)

    assert set(re.findall(r'must_ring\("(\w+)"\)', tests)) == OWN.keys()


@pytest.mark.parametrize("alarm_id", ALARMS)
def test_each_alarm_notifies_and_refers_to_its_section_in_the_runbook(alarm_id: str) -> None:
    alarm = ALARMS[alarm_id]
    topic = [{"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}, {"Ref": "AWS::NoValue"}]}]
    description = alarm["AlarmDescription"]["Fn::Sub"]

    assert alarm["AlarmActions"] == alarm["OKActions"] == topic
    assert description.endswith(f" Runbook: ${{RunbookUrl}}#{anchor_of(alarm_id)}")
    assert anchor_of(alarm_id) in anchors()


def test_each_section_of_the_runbook_is_about_an_existing_alarm_or_an_incident() -> None:
    of_alarms = {anchor_of(alarm_id) for alarm_id in ALARMS}
    named = set(re.findall(r"\b[A-Z]\w+Alarm\b", RUNBOOK))

    assert anchors() - of_alarms <= SECTIONS_WITHOUT_ALARM
    assert named <= ALARMS.keys()


def test_the_dashboard_shows_each_metric_and_each_alarm() -> None:
    displayed = {
        each.name for each in dashboard.displayed_metrics() if each.namespace == OWN_NAMESPACE
    }
    (alarms,) = [each for each in dashboard.BODY["widgets"] if each["type"] == "alarm"]

    assert displayed == set(Metric)
    assert set(alarms["properties"]["alarms"]) == {f"${{{alarm_id}.Arn}}" for alarm_id in ALARMS}
    assert dashboard.references() <= RESOURCES.keys()


@pytest.mark.parametrize(
    ("alarm_id", "schedule"),
    [
        ("RecoveryMissingAlarm", "RecoverJobsFunctionEveryMinute"),
        ("AuditMissingAlarm", "AuditAccountsFunctionEveryDay"),
        ("CatalogCheckMissingAlarm", "CheckCatalogFunctionEveryDay"),
    ],
)
def test_an_alarm_on_missing_runs_is_created_after_the_schedule(
    alarm_id: str, schedule: str
) -> None:
    function, _, event = schedule.partition("Function")
    properties = RESOURCES[f"{function}Function"]["Properties"]["Events"][event]["Properties"]

    assert RESOURCES[alarm_id]["DependsOn"] == schedule
    # A schedule with a rate and without a StartDate starts at once.
    assert properties["ScheduleExpression"].startswith("rate(")
    assert "StartDate" not in properties


def test_the_evaluation_of_an_alarm_reads_its_own_period_and_dimensions() -> None:
    alarm = {
        **ALARMS["TransientErrorsAlarm"],
        "Dimensions": [{"Name": "service", "Value": "darkroom"}],
    }

    def errors(at: float, service: str = "darkroom") -> Datapoint:
        dimensions = frozenset({("service", service)})
        return Datapoint(at, OWN_NAMESPACE, "TransientErrors", dimensions, 1)

    assert state_of(alarm, [errors(900), errors(950), errors(1000)], at=1000) == "ALARM"
    assert state_of(alarm, [errors(950), errors(1000)], at=1000) == "OK"
    assert state_of(alarm, [errors(700), errors(950), errors(1000)], at=1000) == "OK"
    assert state_of(alarm, [errors(900), errors(950), errors(1001)], at=1000) == "OK"
    assert state_of(alarm, [errors(999, "other")] * 3, at=1000) == "OK"
