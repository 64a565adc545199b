"""Compares each call of AWS with the IAM policies of its function. No AWS stand-in does this."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from tests.aws import TEMPLATE, statements_of
from tests.simulation.calls import Call
from tests.simulation.patching import FUNCTIONS

_SECRETS = {
    "replicate-token": "ReplicateTokenSecret",
    "replicate-webhook": "ReplicateWebhookSecret",
    "runway-key": "RunwayKeySecret",
    "webui-login": "StableDiffusionLoginSecret",
}
_CHANNELS = {"events": ":event-bus/${EventBus}", "sqs": '"CallbackQueue"'}
_STATE_MACHINE = ':stateMachine:${AWS::StackName}-generation"'
_EXECUTIONS = ':execution:${AWS::StackName}-generation:*"'
_OF_EXECUTIONS = ("DescribeExecution", "StopExecution")

# The action, a part of the resource's name, and the partition key if a policy may depend on it.
type Request = tuple[str, str, str | None]


def forbidden(calls: Iterable[Call]) -> Iterator[str]:
    """Return the calls that AWS would refuse."""
    for call in calls:
        for request in requests_of(call):
            if not is_allowed(call.function, request):
                yield f"{call.function} called {call.name}, but no policy allows {request}"


def requests_of(call: Call) -> Iterator[Request]:
    """Return what a call requests from IAM. Calls of providers and users' URLs request nothing."""
    match call.name.split("."):
        case ["dynamodb", "TransactWriteItems"]:
            yield from (
                (f"dynamodb:{kind}Item", '"Table"', None)
                for write in call.parameters["TransactItems"]
                for kind in write
            )
        case ["dynamodb", "Query"] if "IndexName" in call.parameters:
            yield "dynamodb:Query", f"${{Table.Arn}}/index/{call.parameters['IndexName']}", None
        case ["dynamodb", operation]:
            yield (
                f"dynamodb:{operation}",
                '"Table"',
                call.parameters.get("Item", call.parameters.get("Key", {})).get("pk", {}).get("S"),
            )
        case ["s3", "ListObjectsV2"]:
            yield "s3:ListBucket", '"MediaBucket"', None
        case ["s3", "GetObject" | "PutObject" | "DeleteObject" as operation]:
            yield f"s3:{operation}", _objects(call.parameters["Key"]), None
        case ["s3", "DeleteObjects"]:
            yield from (
                ("s3:DeleteObject", _objects(each["Key"]), None)
                for each in call.parameters["Delete"]["Objects"]
            )
        case ["secretsmanager", operation]:
            yield f"secretsmanager:{operation}", _SECRETS[call.parameters["SecretId"]], None
        case ["stepfunctions", operation]:
            yield (
                f"states:{operation}",
                _EXECUTIONS if operation in _OF_EXECUTIONS else _STATE_MACHINE,
                None,
            )
        case ["events" | "sqs" as service, operation]:
            yield f"{service}:{operation}", _CHANNELS[service], None
        case _:
            assert not call.is_of_aws, call


@cache
def is_allowed(function: str, request: Request) -> bool:
    """Return whether a policy of the function allows the request."""
    action, resource, partition_key = request
    return any(
        action in _listed(statement["Action"])
        and _names(json.dumps(statement["Resource"]), resource)
        and (
            not (keys := _leading_keys(statement))
            or any(fnmatchcase(partition_key or "", key) for key in keys)
        )
        # A statement about single attributes allows no whole row.
        and "dynamodb:Attributes" not in json.dumps(statement.get("Condition", {}))
        for statement in statements_of(TEMPLATE["Resources"][FUNCTIONS[function]])
    )


def _objects(key: str) -> str:
    """Return the resource of all objects in a key's first folder, as policies name it."""
    return f"${{MediaBucket.Arn}}/{key.partition('/')[0]}/*"


def _names(allowed: str, resource: str) -> bool:
    whole_bucket = resource.startswith("${MediaBucket.Arn}/") and '${MediaBucket.Arn}/*"' in allowed
    return resource in allowed or whole_bucket


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _leading_keys(statement: Mapping[str, Any]) -> list[str]:
    """Return the partition keys of a statement. `*` in a key matches any text."""
    condition = statement.get("Condition", {})
    return [
        key
        for operator in ("ForAllValues:StringEquals", "ForAllValues:StringLike")
        for key in condition.get(operator, {}).get("dynamodb:LeadingKeys", [])
    ]
