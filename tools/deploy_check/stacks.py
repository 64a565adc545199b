"""What a deployment left behind, as AWS's own interfaces describe it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import boto3

from tools.deployment.account import read_stack

ALIAS = "live"
_DELETION_SECONDS_MAX = 120
# Resources whose physical id belongs to their parent, so that two stacks may have the same id.
_NAMED_BY_PARENT = (
    "AWS::ApiGatewayV2::Stage",
    "AWS::Cognito::UserPoolGroup",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
)


@dataclass(frozen=True)
class Function:
    """The version of a function that the alias `live` runs, with its environment."""

    logical_id: str
    name: str
    live_version: str
    published: int
    variables: dict[str, str]


def resources(stack: str) -> list[dict[str, Any]]:
    """Return the resources of a stack."""
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources")
    return [
        dict(each)
        for page in pages.paginate(StackName=stack)
        for each in page["StackResourceSummaries"]
    ]


def functions(stack: str) -> list[Function]:
    """Return every function of a stack, as its alias runs it."""
    client = boto3.client("lambda")
    found = []
    for resource in resources(stack):
        if resource["ResourceType"] != "AWS::Lambda::Function":
            continue
        name = resource["PhysicalResourceId"]
        live = client.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
        versions = client.list_versions_by_function(FunctionName=name)["Versions"]
        found.append(
            Function(
                resource["LogicalResourceId"],
                name,
                live["Version"],
                sum(version["Version"] != "$LATEST" for version in versions),
                live["Environment"]["Variables"],
            )
        )
    return found


def shared_names(first: str, second: str) -> list[str]:
    """Return the physical ids that both stacks have. AWS refuses most of them.

    MiniStack overwrites the resource of the first stack.
    """
    by_stack = [
        {
            (each["ResourceType"], each["PhysicalResourceId"])
            for each in resources(stack)
            if each["ResourceType"] not in _NAMED_BY_PARENT
        }
        for stack in (first, second)
    ]
    return sorted(f"{kind} {name}" for kind, name in by_stack[0] & by_stack[1])


def delete(stack: str) -> None:
    """Delete a stack, and wait for the end. Raises TimeoutError if it still exists after that."""
    boto3.client("cloudformation").delete_stack(StackName=stack)
    give_up_at = time.monotonic() + _DELETION_SECONDS_MAX
    while (status := read_stack(stack).status) != "":
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{stack} is {status}")
        time.sleep(0.5)


def existing_functions(names: list[str]) -> list[str]:
    """Return the names of those functions that exist."""
    pages = boto3.client("lambda").get_paginator("list_functions").paginate()
    existing = {each["FunctionName"] for page in pages for each in page["Functions"]}
    return sorted(existing & set(names))


def what_stays(outputs: dict[str, str]) -> list[str]:
    """Return the retained resources of a deleted stack that still exist."""
    stays = []
    if outputs["TableName"] in boto3.client("dynamodb").list_tables()["TableNames"]:
        stays.append("the table")
    buckets = [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]
    if outputs["MediaBucketName"] in buckets:
        stays.append("the bucket")
    pools = boto3.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    if outputs["UserPoolId"] in [pool["Id"] for pool in pools]:
        stays.append("the user pool")
    return stays
