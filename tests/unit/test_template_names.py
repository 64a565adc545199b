"""Two stacks in one account and region share no names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.resolved_template import resolved

# Every optional resource exists.
PARAMETERS = {
    "ApiDeploymentPreference": "Canary10Percent5Minutes",
    "Gallery": "true",
    "RunwayBaseUrl": "https://runway.example",
    "StableDiffusionUrl": "https://webui.example",
    "Revision": "abc123",
}
# Names that are unique within another resource of the stack, or that name something else.
NO_PHYSICAL_NAMES = {
    ("AWS::ApiGatewayV2::Stage", "StageName"),
    ("AWS::CloudWatch::Alarm", "MetricName"),
    ("AWS::CodeDeploy::DeploymentGroup", "DeploymentConfigName"),
    ("AWS::Cognito::UserPoolGroup", "GroupName"),
    ("AWS::Lambda::Alias", "Name"),
    ("AWS::StepFunctions::StateMachineAlias", "Name"),
}


def names_in(stack: str) -> dict[str, Any]:
    """Return each name that the template gives to a resource, by logical id and property."""
    return {
        f"{logical_id}.{key}": value
        for logical_id, resource in resolved(PARAMETERS, stack).items()
        for key, value in resource["Properties"].items()
        if key.endswith("Name") and (resource["Type"], key) not in NO_PHYSICAL_NAMES
    }


def test_two_stacks_share_no_name() -> None:
    one, two = names_in("one"), names_in("two")

    assert one["Workflow.StateMachineName"] == "one-generation"
    assert one.keys() == two.keys()
    assert [name for name, value in one.items() if value == two[name]] == []


def test_every_exception_is_needed() -> None:
    of_resources = {
        (resource["Type"], key)
        for resource in resolved(PARAMETERS).values()
        for key in resource["Properties"]
    }

    assert of_resources >= NO_PHYSICAL_NAMES


@pytest.mark.parametrize(
    "schedule",
    [
        "RecoverJobsFunctionEveryMinute",
        "AuditAccountsFunctionEveryDay",
        "CheckCatalogFunctionEveryDay",
    ],
)
def test_a_schedule_has_no_fixed_name(schedule: str) -> None:
    assert "Name" not in resolved(PARAMETERS)[schedule]["Properties"]
