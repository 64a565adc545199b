"""The alarms and the dashboard read metrics that AWS has, and the alarms read all of them.

AWS's own metrics do not exist on the local stack. So the names are compared with AWS's documents,
and the definitions are evaluated on invented datapoints.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from darkroom.domain.callback_retries import pause_seconds
from tests.alarms import ALARMS, OWN_NAMESPACE, Datapoint, metrics_of, state_of
from tests.aws import ROOT, TEMPLATE
from tests.unit import dashboard
from tests.unit.aws_metrics import (
    ACCESS_LOG_VARIABLES,
    METRICS_PER_MATH_ALARM_MAX,
    NAMESPACES,
)

RESOURCES = TEMPLATE["Resources"]
WORKFLOW = yaml_parse((ROOT / "workflow.asl.yaml").read_text())
FUNCTIONS = {
    name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Serverless::Function"
}
OF_AWS = {
    alarm_id: alarm
    for alarm_id, alarm in ALARMS.items()
    if metrics_of(alarm)[0]["Namespace"] != OWN_NAMESPACE
}
MATH = [alarm_id for alarm_id, alarm in OF_AWS.items() if "Metrics" in alarm]
NOW = 1_000_000


def with_names(alarm: Any) -> Any:
    """Return an alarm with logical ids for its references, and with the first part of each If."""
    match alarm:
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), _]}:
            return name
        case {"Fn::If": [_, default, _]}:
            return with_names(default)
        case dict():
            return {key: with_names(value) for key, value in alarm.items()}
        case list():
            return [with_names(value) for value in alarm]
        case _:
            return copy.copy(alarm)


def datapoint(metric: dict[str, Any], value: float, *, at: float = NOW) -> Datapoint:
    dimensions = frozenset((each["Name"], each["Value"]) for each in metric["Dimensions"])
    return Datapoint(at, metric["Namespace"], metric["MetricName"], dimensions, value)


def values_of(alarm_id: str, dimension: str) -> set[str]:
    """Return the values of a dimension in the metrics of an alarm."""
    return {
        each["Value"]
        for metric in metrics_of(with_names(ALARMS[alarm_id]))
        for each in metric["Dimensions"]
        if each["Name"] == dimension
    }


def functions_of_states() -> set[str]:
    """Return the functions that the workflow invokes."""
    substitutions = RESOURCES["Workflow"]["Properties"]["DefinitionSubstitutions"]
    arns = [
        state["Parameters"]["FunctionName"].strip("${}")
        for state in WORKFLOW["States"].values()
        if "FunctionName" in state.get("Parameters", {})
    ]
    return {substitutions[arn]["Ref"].removesuffix(".Alias") for arn in arns}


@pytest.mark.parametrize("alarm_id", OF_AWS)
def test_an_alarm_reads_metrics_with_the_names_and_dimensions_of_aws(alarm_id: str) -> None:
    for metric in metrics_of(OF_AWS[alarm_id]):
        known = NAMESPACES[metric["Namespace"]].metrics[metric["MetricName"]]
        assert {each["Name"] for each in metric["Dimensions"]} in known


def test_the_dashboard_reads_metrics_with_the_names_and_dimensions_of_aws() -> None:
    displayed = [each for each in dashboard.displayed_metrics() if each.namespace != OWN_NAMESPACE]

    assert displayed
    for metric in displayed:
        known = NAMESPACES[metric.namespace].metrics[metric.name]
        assert {name for name, _ in metric.dimensions} in known


@pytest.mark.parametrize("alarm_id", MATH)
def test_a_math_alarm_has_at_most_ten_metrics(alarm_id: str) -> None:
    assert len(metrics_of(ALARMS[alarm_id])) <= METRICS_PER_MATH_ALARM_MAX


def test_every_function_is_in_the_alarms_on_functions() -> None:
    steps = functions_of_states()
    exempt = {"StoreOutputFunction"}

    assert values_of("StepErrorsAlarm", "FunctionName") == steps - exempt
    assert values_of("StepThrottlesAlarm", "FunctionName") == steps
    for alarm_id in ("FunctionErrorsAlarm", "FunctionThrottlesAlarm"):
        assert values_of(alarm_id, "FunctionName") == FUNCTIONS - steps
    for name in ("Errors", "Throttles", "Duration"):
        displayed = [each.dimensions for each in dashboard.displayed_metrics() if each.name == name]
        assert set(displayed) == {(("FunctionName", f"${{{each}}}"),) for each in FUNCTIONS}


def test_a_time_out_of_executions_would_have_an_alarm() -> None:
    read = {metric["MetricName"] for alarm in OF_AWS.values() for metric in metrics_of(alarm)}

    # Without TimeoutSeconds, no execution times out. Recovery stops an overdue execution.
    assert ("TimeoutSeconds" in WORKFLOW) == ("ExecutionsTimedOut" in read)


def test_the_alarm_on_the_table_reads_the_table_and_each_index() -> None:
    indexes = {
        each["IndexName"] for each in RESOURCES["Table"]["Properties"]["GlobalSecondaryIndexes"]
    }

    assert values_of("TableThrottlesAlarm", "TableName") == {"Table"}
    assert values_of("TableThrottlesAlarm", "GlobalSecondaryIndexName") == indexes
    assert len(metrics_of(ALARMS["TableThrottlesAlarm"])) == 2 * (1 + len(indexes))


@pytest.mark.parametrize("alarm_id", OF_AWS)
def test_an_alarm_rings_for_each_of_its_metrics_above_its_threshold(alarm_id: str) -> None:
    alarm = with_names(OF_AWS[alarm_id])
    if "ExtendedStatistic" in alarm:
        alarm |= {"Statistic": "Maximum"}  # One datapoint per period: p95 is its value.
    threshold = alarm["Threshold"] + (alarm["ComparisonOperator"] == "GreaterThanThreshold")
    metrics = metrics_of(alarm)
    seconds = alarm.get("Period", 300)
    times = [NOW - number * seconds for number in range(alarm["EvaluationPeriods"])]

    assert state_of(alarm, [], at=NOW) == "OK"
    for metric in metrics:
        breaching = [datapoint(metric, threshold, at=at) for at in times]
        assert state_of(alarm, breaching, at=NOW) == "ALARM", metric
        below = [datapoint(metric, threshold - 1, at=at) for at in times]
        assert state_of(alarm, below, at=NOW) == "OK", metric
    foreign = [
        datapoint(metric | {"Dimensions": [{"Name": "Other", "Value": "x"}]}, threshold, at=at)
        for metric in metrics
        for at in times
    ]
    assert state_of(alarm, foreign, at=NOW) == "OK"


def test_the_age_of_a_callback_ignores_the_tries_of_a_dead_receiver() -> None:
    # The metric excludes messages that were received three times (Amazon SQS Developer Guide,
    # "Available CloudWatch metrics for Amazon SQS").
    lost_receives_seconds = 3 * RESOURCES["CallbackQueue"]["Properties"]["VisibilityTimeout"]
    ages = [0.0]
    for _ in range(3):
        ages.append(ages[-1] + pause_seconds(ages[-1]))

    assert ALARMS["CallbackAgeAlarm"]["Threshold"] >= max(ages[-1], lost_receives_seconds)


def test_the_access_log_is_json_without_personal_data() -> None:
    settings = RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]
    document = json.loads(settings["Format"])

    assert set(document.values()) == ACCESS_LOG_VARIABLES
    assert all(re.fullmatch(r"[a-z_]+", key) for key in document)
    assert settings["DestinationArn"] == {"Fn::GetAtt": ["ApiLogs", "Arn"]}


def test_the_log_of_the_workflow_has_errors_without_data() -> None:
    assert RESOURCES["Workflow"]["Properties"]["Logging"] == {
        "Level": "ERROR",
        "IncludeExecutionData": False,
        "Destinations": [
            {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["WorkflowLogs", "Arn"]}}}
        ],
    }


@pytest.mark.parametrize("logs", ["FunctionLogs", "ApiLogs", "WorkflowLogs"])
def test_each_log_group_has_the_retention_of_the_parameter(logs: str) -> None:
    assert RESOURCES[logs]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
