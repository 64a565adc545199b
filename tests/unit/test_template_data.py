"""The table and the bucket: protection against deletion, versions, and a restored table."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.aws import TEMPLATE
from tests.unit.resolved_template import resolved

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/restored"


def properties(logical_id: str, **parameters: str) -> dict[str, Any]:
    found: dict[str, Any] = resolved(parameters)[logical_id]["Properties"]
    return found


def table_arns(**parameters: str) -> set[str]:
    """Return every resource of a policy that is a table or an index."""
    text = json.dumps(
        [
            statement["Resource"]
            for resource in resolved(parameters).values()
            if resource["Type"] == "AWS::IAM::Role"
            for policy in resource["Properties"].get("Policies", [])
            for statement in policy["PolicyDocument"]["Statement"]
            if "dynamodb:" in json.dumps(statement["Action"])
        ]
    )
    return set(re.findall(r'"([^"]+)"', text))


def test_a_parameter_protects_the_table_and_the_user_pool() -> None:
    def protections(**parameters: str) -> tuple[object, object]:
        return (
            properties("Table", **parameters)["DeletionProtectionEnabled"],
            properties("UserPool", **parameters)["DeletionProtection"],
        )

    assert protections() == (False, "INACTIVE")
    assert protections(DeletionProtection="true") == (True, "ACTIVE")


def test_a_parameter_keeps_versions_of_media() -> None:
    assert "VersioningConfiguration" not in properties("MediaBucket")
    assert properties("MediaBucket", MediaVersioning="true")["VersioningConfiguration"] == {
        "Status": "Enabled"
    }


def test_a_deleted_object_is_gone_after_thirty_days_in_spite_of_versions() -> None:
    rules = properties("MediaBucket", MediaVersioning="true")["LifecycleConfiguration"]["Rules"]
    (rule,) = [rule for rule in rules if "NoncurrentVersionExpiration" in rule]

    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["ExpiredObjectDeleteMarker"] is True
    # Without a prefix, the rule applies to every object.
    assert (rule["Status"], "Prefix" in rule, "Filter" in rule) == ("Enabled", False, False)


def test_a_restored_table_replaces_the_table_of_the_stack() -> None:
    resources = resolved({"TableName": "restored"})
    functions = [each for each in resources.values() if each["Type"] == "AWS::Lambda::Function"]

    assert "Table" not in resources
    assert functions
    assert {each["Properties"]["Environment"]["Variables"]["TABLE_NAME"] for each in functions} == {
        "restored"
    }


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [
        ("TableName", "", True),
        ("TableName", "restored-2026.11_30", True),
        ("TableName", ARN, False),
        ("TableName", "*", False),
        ("UserPoolId", "", True),
        ("UserPoolId", "us-east-1_Retained1", True),
        ("UserPoolId", "*", False),
        ("UserPoolId", "us-east-1_Retained1/*", False),
    ],
)
def test_a_name_cannot_widen_a_policy(parameter: str, value: str, accepted: bool) -> None:
    pattern = TEMPLATE["Parameters"][parameter]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, value)) is accepted


def test_every_policy_names_the_table_in_use() -> None:
    indexes = ("index/lookup", "index/next-check")

    assert table_arns() == {"one-Table-Arn", *(f"one-Table-Arn/{index}" for index in indexes)}
    assert table_arns(TableName="restored") == {ARN, *(f"{ARN}/{index}" for index in indexes)}
