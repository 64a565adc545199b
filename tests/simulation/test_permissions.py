"""No stand-in for AWS looks at policies, so what each function is seen to ask AWS for is held against what its policy lets it do."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.aws import TEMPLATE
from tests.simulation.calls import Call
from tests.simulation.installation import FUNCTIONS
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.telling import told

SECRETS = {"replicate-token": "ReplicateTokenSecret", "replicate-webhook": "ReplicateWebhookSecret"}
OF_EXECUTIONS = ("DescribeExecution", "StopExecution")

# An action, what stands in the resource's name, and the partition key where a policy may ask for it.
type Request = tuple[str, str, str | None]


@pytest.fixture(scope="module")
def requests_seen() -> Mapping[str, set[Request]]:
    """What each function asks AWS for, in all the scenarios."""
    seen: dict[str, set[Request]] = defaultdict(set)
    for scenario in SCENARIOS:
        for sandbox in told(scenario).sandboxes:
            seen[sandbox.function].update(request for call in sandbox.calls for request in requests_of(call))
    return seen


def requests_of(call: Call) -> Iterator[Request]:
    """Name what IAM is asked for by a call. A call of the provider's, or of somebody's URL, asks it for nothing."""
    match call.name.split("."):
        case ["dynamodb", "TransactWriteItems"]:
            yield from ((f"dynamodb:{kind}Item", '"Table"', None) for write in call.document["TransactItems"] for kind in write)
        case ["dynamodb", "Query"] if "IndexName" in call.document:
            yield "dynamodb:Query", f"${{Table.Arn}}/index/{call.document['IndexName']}", None
        case ["dynamodb", operation]:
            yield f"dynamodb:{operation}", '"Table"', call.document.get("Item", {}).get("pk", {}).get("S")
        case ["s3", "ListObjectsV2"]:
            yield "s3:ListBucket", '"MediaBucket"', None
        case ["s3", "PutObject" | "DeleteObjects" as operation]:
            yield f"s3:{operation.removesuffix('s')}", "${MediaBucket.Arn}/", None
        case ["secretsmanager", operation]:
            yield f"secretsmanager:{operation}", SECRETS[call.document["SecretId"]], None
        case ["stepfunctions", operation]:
            yield f"states:{operation}", ":execution:" if operation in OF_EXECUTIONS else ":stateMachine:", None
        case ["events", operation]:
            yield f"events:{operation}", "EventBus", None
        case _:
            assert not call.is_of_aws, call


def is_allowed(function: str, request: Request) -> bool:
    action, resource, partition_key = request
    statements = [statement for policy in TEMPLATE["Resources"][FUNCTIONS[function]]["Properties"]["Policies"] for statement in policy["Statement"]]
    return any(
        action in _listed(statement["Action"])
        and resource in json.dumps(statement["Resource"])
        and (not (keys := _leading_keys(statement)) or partition_key in keys)
        for statement in statements
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _leading_keys(statement: Mapping[str, Any]) -> list[str]:
    keys: list[str] = statement.get("Condition", {}).get("ForAllValues:StringEquals", {}).get("dynamodb:LeadingKeys", [])
    return keys


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_function_may_do_what_it_is_seen_to_do(function: str, requests_seen: Mapping[str, set[Request]]) -> None:
    assert requests_seen[function]

    assert [request for request in requests_seen[function] if not is_allowed(function, request)] == []


def test_a_function_may_not_do_what_its_policy_does_not_name() -> None:
    assert is_allowed("audit_books", ("dynamodb:PutItem", '"Table"', "AUDIT"))

    assert not is_allowed("audit_books", ("dynamodb:PutItem", '"Table"', "ACCOUNT#web#ann"))
    assert not is_allowed("audit_books", ("dynamodb:UpdateItem", '"Table"', None))
    assert not is_allowed("store_output", ("secretsmanager:GetSecretValue", "ReplicateWebhookSecret", None))
    assert not is_allowed("api", ("dynamodb:Query", "${Table.Arn}/index/open-jobs", None))
