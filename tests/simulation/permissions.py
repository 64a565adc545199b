"""Compares each call of AWS with the IAM policies of its function, as the local stack does."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from local.cloudformation.account import ACCOUNT_ID, arn
from local.cloudformation.intrinsics import Resolver, parameter_values, pseudo_parameters
from local.cloudformation.template import translate
from local.iam.accesses import Account, accesses_of
from local.iam.policies import Access
from local.iam.roles import Policies, read_policies
from tests.aws import TEMPLATE
from tests.simulation.calls import Call
from tests.simulation.patching import FUNCTIONS

_STACK = "darkroom-test"
_STATE_MACHINE = arn("states", f"stateMachine:{_STACK}-generation")
_SECRETS = {
    "ReplicateTokenSecret": "replicate-token",
    "ReplicateWebhookSecret": "replicate-webhook",
    "RunwayKeySecret": "runway-key",
    "StableDiffusionLoginSecret": "webui-login",
}
ALARM_TOPIC = arn("sns", "alarms")
# Parameters with which every provider is available, and the alarms have a topic.
_PARAMETERS = {
    "RunwayBaseUrl": "https://runway.test",
    "StableDiffusionUrl": "https://webui.test",
    "AlarmTopicArn": ALARM_TOPIC,
}
# The prefix of a service in policies, if it is not the name of the service in boto3.
_PREFIXES = {"stepfunctions": "states"}


class SimulatedResources:
    """The template's resources under the names that the simulation uses."""

    def __init__(self, template: Mapping[str, Any] = TEMPLATE) -> None:
        self._template = translate(copy.deepcopy(dict(template)), _PARAMETERS)
        values = parameter_values(self._template, _PARAMETERS) | pseudo_parameters(_STACK)
        self._resolver = Resolver(self._template, values, self)

    def of_type(self, resource_type: str) -> dict[str, dict[str, Any]]:
        return {
            logical_id: self._resolver.resolve(resource.get("Properties", {}))
            for logical_id, resource in self._template["Resources"].items()
            if resource["Type"] == resource_type
            and ("Condition" not in resource or self._resolver.condition(resource["Condition"]))
        }

    def ref(self, logical_id: str) -> str:
        names = {
            "Table": os.environ["TABLE_NAME"],
            "MediaBucket": os.environ["MEDIA_BUCKET"],
            "EventBus": os.environ["EVENT_BUS_NAME"],
        } | {name: arn("secretsmanager", f"secret:{secret}") for name, secret in _SECRETS.items()}
        return names.get(logical_id, logical_id)

    def attribute(self, logical_id: str, attribute: str) -> str:
        if attribute != "Arn":
            return f"{logical_id}-{attribute}"
        return {
            "AWS::DynamoDB::Table": arn("dynamodb", f"table/{self.ref(logical_id)}"),
            "AWS::SQS::Queue": arn(
                "sqs",
                os.environ["CALLBACK_QUEUE_URL"].rpartition("/")[2]
                if logical_id == "CallbackQueue"
                else logical_id,
            ),
            "AWS::S3::Bucket": f"arn:aws:s3:::{self.ref(logical_id)}",
            "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT_ID}:role/{logical_id}",
        }.get(self._template["Resources"][logical_id]["Type"], arn("any", logical_id))

    def role_of(self, function: str) -> str:
        """Return the ARN of the role of a function, by the function's folder."""
        properties = self.of_type("AWS::Lambda::Function")[FUNCTIONS[function]]
        role_arn: str = properties["Role"]
        return role_arn


def partition_key(_table: str, index: str | None) -> str:
    """Return the name of the partition key of the template's table or of its index."""
    properties = TEMPLATE["Resources"]["Table"]["Properties"]
    schemas = {
        each["IndexName"]: each["KeySchema"] for each in properties["GlobalSecondaryIndexes"]
    }
    schema = schemas[index] if index else properties["KeySchema"]
    name: str = schema[0]["AttributeName"]
    return name


ACCOUNT = Account(partition_key, (_STATE_MACHINE,))


def forbidden(calls: Iterable[Call]) -> Iterator[str]:
    """Return the calls that AWS would refuse."""
    for call in calls:
        for access in needs_of(call):
            if not is_allowed(call.function, access):
                yield f"{call.function} called {call.name}, but no policy allows {access}"


def needs_of(call: Call) -> Iterator[Access]:
    """Return what a call needs from IAM. Calls of providers and users' URLs need nothing."""
    if call.is_of_aws:
        service, _, operation = call.name.partition(".")
        service = _PREFIXES.get(service, service)
        yield from accesses_of(service, operation, call.parameters, ACCOUNT)


def is_allowed(function: str, access: Access) -> bool:
    """Return whether the policies of a function allow an access."""
    context = tuple((key, tuple(values)) for key, values in access.context.items())
    return _is_allowed(function, access.action, access.resource, context)


@cache
def _is_allowed(
    function: str, action: str, resource: str, context: tuple[tuple[str, tuple[str, ...]], ...]
) -> bool:
    return policies().allow(role_of(function), Access(action, resource, dict(context)))


@cache
def policies() -> Policies:
    """Return the policies of the template."""
    return read_policies(_resources())


@cache
def _resources() -> SimulatedResources:
    return SimulatedResources()


@cache
def role_of(function: str) -> str:
    """Return the ARN of the role of a function, by the function's folder."""
    return _resources().role_of(function)
