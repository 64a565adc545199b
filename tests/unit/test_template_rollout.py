"""The API changes by a canary if a parameter asks for it. The workflow changes all at once."""

from __future__ import annotations

import pytest

from local.cloudformation.resource_types import CREATORS
from local.cloudformation.resources import _NAMED
from tests.aws import TEMPLATE
from tests.unit.resolved_template import resolved

PREFERENCES = TEMPLATE["Parameters"]["ApiDeploymentPreference"]["AllowedValues"]
CANARIES = [preference for preference in PREFERENCES if preference != "AllAtOnce"]


def deployment_groups(preference: str) -> dict[str, dict[str, object]]:
    return {
        name: resource["Properties"]
        for name, resource in resolved({"ApiDeploymentPreference": preference}).items()
        if resource["Type"] == "AWS::CodeDeploy::DeploymentGroup"
    }


def test_by_default_nothing_needs_codedeploy() -> None:
    assert TEMPLATE["Parameters"]["ApiDeploymentPreference"]["Default"] == "AllAtOnce"
    assert [
        name
        for name, resource in resolved({}).items()
        if "CodeDeploy" in resource["Type"] or "UpdatePolicy" in resource
    ] == []


@pytest.mark.parametrize("preference", CANARIES)
def test_a_canary_changes_only_the_api(preference: str) -> None:
    groups = deployment_groups(preference)

    assert groups.keys() == {"ApiFunctionDeploymentGroup"}
    # CodeDeploy User Guide, "Predefined deployment configurations for an AWS Lambda compute
    # platform".
    assert (
        groups["ApiFunctionDeploymentGroup"]["DeploymentConfigName"]
        == f"CodeDeployDefault.Lambda{preference}"
    )


def test_an_alarm_of_the_api_ends_the_canary_and_restores_the_old_version() -> None:
    (group,) = deployment_groups(CANARIES[0]).values()

    assert group["AlarmConfiguration"] == {
        "Enabled": True,
        "Alarms": [{"Name": "one-ApiErrorsAlarm"}, {"Name": "one-FunctionErrorsAlarm"}],
    }
    assert group["AutoRollbackConfiguration"] == {
        "Enabled": True,
        "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
    }


def test_only_the_alias_of_the_api_waits_for_codedeploy() -> None:
    resources = resolved({"ApiDeploymentPreference": CANARIES[0]})

    assert [name for name, resource in resources.items() if "UpdatePolicy" in resource] == [
        "ApiFunctionAliaslive"
    ]


def test_the_local_stack_knows_every_resource_of_a_canary() -> None:
    types = {
        resource["Type"] for resource in resolved({"ApiDeploymentPreference": CANARIES[0]}).values()
    }

    assert "AWS::CodeDeploy::DeploymentGroup" in types
    assert types <= _NAMED.keys() | CREATORS.keys() | {"AWS::ApiGatewayV2::Api"}
