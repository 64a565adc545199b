"""The resources of the stack. A reference to a resource creates the resource if necessary."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cloudformation.account import ACCOUNT_ID, PARTITION, Client, arn
from local.cloudformation.intrinsics import (
    Resolver,
    Unresolvable,
    Value,
    parameter_values,
    pseudo_parameters,
)
from local.cloudformation.resource_types import CREATORS, CreateRequest, PhysicalResource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResourceRequest:
    """A request for the names of a resource that needs no API call.

    `name` is the default physical name. A name in the properties overrides it. `value` resolves
    one property.
    """

    name: str
    value: Callable[[str], Value]


def _function(request: ResourceRequest) -> PhysicalResource:
    name = request.value("FunctionName") or request.name
    return PhysicalResource(name, {"Arn": arn("lambda", f"function:{name}")})


def _version(request: ResourceRequest) -> PhysicalResource:
    return PhysicalResource(
        arn("lambda", f"function:{request.value('FunctionName')}:1"), {"Version": "1"}
    )


def _alias(request: ResourceRequest) -> PhysicalResource:
    return PhysicalResource(
        arn("lambda", f"function:{request.value('FunctionName')}:{request.value('Name')}")
    )


def _layer(request: ResourceRequest) -> PhysicalResource:
    layer_arn = arn("lambda", f"layer:{request.value('LayerName') or request.name}:1")
    return PhysicalResource(layer_arn, {"LayerVersionArn": layer_arn})


def _role(request: ResourceRequest) -> PhysicalResource:
    name = request.value("RoleName") or request.name
    return PhysicalResource(
        name, {"Arn": f"arn:{PARTITION}:iam::{ACCOUNT_ID}:role/{name}", "RoleId": name}
    )


def _log_group(request: ResourceRequest) -> PhysicalResource:
    name = request.value("LogGroupName") or request.name
    return PhysicalResource(name, {"Arn": arn("logs", f"log-group:{name}:*")})


def _schedule(request: ResourceRequest) -> PhysicalResource:
    name = request.value("Name") or request.name
    return PhysicalResource(name, {"Arn": arn("scheduler", f"schedule/default/{name}")})


def _topic(request: ResourceRequest) -> PhysicalResource:
    topic_arn = arn("sns", request.value("TopicName") or request.name)
    return PhysicalResource(topic_arn, {"TopicArn": topic_arn})


def _stage(request: ResourceRequest) -> PhysicalResource:
    return PhysicalResource(request.value("StageName"))


def _named_only(request: ResourceRequest) -> PhysicalResource:
    return PhysicalResource(request.name, {"Arn": arn("local", request.name)})


# Resources that need only a name. The local stack implements some of them itself (functions,
# routes, triggers). The others have no effect on one machine (permissions, alarms, retention).
_NAMED: Mapping[str, Callable[[ResourceRequest], PhysicalResource]] = {
    "AWS::ApiGatewayV2::Stage": _stage,
    "AWS::CloudWatch::Alarm": _named_only,
    "AWS::CloudWatch::Dashboard": _named_only,
    "AWS::CodeDeploy::Application": _named_only,
    "AWS::CodeDeploy::DeploymentGroup": _named_only,
    "AWS::IAM::ManagedPolicy": _named_only,
    "AWS::IAM::Policy": _named_only,
    "AWS::IAM::Role": _role,
    "AWS::Lambda::Alias": _alias,
    "AWS::Lambda::EventInvokeConfig": _named_only,
    "AWS::Lambda::EventSourceMapping": _named_only,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::LayerVersion": _layer,
    "AWS::Lambda::Permission": _named_only,
    "AWS::Lambda::Version": _version,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Logs::MetricFilter": _named_only,
    "AWS::S3::BucketPolicy": _named_only,
    "AWS::SNS::Subscription": _named_only,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _named_only,
    "AWS::SQS::QueuePolicy": _named_only,
    "AWS::Scheduler::Schedule": _schedule,
}


class Resources:
    """The resources of a translated template, by logical id."""

    def __init__(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str],
        *,
        stack_name: str,
        build_dir: Path,
        api_url: str,
        client: Callable[[str], Client],
    ) -> None:
        """Read the template. Nothing is created before `create` or the first reference.

        `client` returns the client of a service. Raises Unresolvable if `parameters` has a
        parameter that the template does not declare, or if a parameter has no value.
        """
        values = {**pseudo_parameters(stack_name), **parameter_values(template, parameters)}
        self._resolver = Resolver(template, values, self)
        self._declared: Mapping[str, Any] = template["Resources"]
        self._outputs: Mapping[str, Any] = template.get("Outputs", {})
        self._stack_name = stack_name
        self._build_dir = build_dir
        self._named: Mapping[str, Callable[[ResourceRequest], PhysicalResource]] = {
            **_NAMED,
            "AWS::ApiGatewayV2::Api": lambda request: PhysicalResource(
                request.name, {"ApiEndpoint": api_url, "ApiId": request.name}
            ),
        }
        self._client = client
        self._physical_resources: dict[str, PhysicalResource] = {}
        self._in_creation: list[str] = []

    def create(self) -> None:
        """Create every resource whose condition is true.

        Logs a warning for each resource of a type that is not simulated, and skips it.
        """
        for logical_id, declaration in self._declared.items():
            if not self._exists(declaration):
                continue
            if declaration["Type"] in self._named or declaration["Type"] in CREATORS:
                self._get(logical_id)
            else:
                logger.warning(
                    "%s has the type %s, which the local stack does not simulate; it is skipped",
                    logical_id,
                    declaration["Type"],
                )

    def ref(self, logical_id: str) -> str:
        """Return the value of Ref. Creates the resource if necessary.

        Raises Unresolvable if the template has no such resource.
        """
        return self._get(logical_id).ref

    def attribute(self, logical_id: str, attribute: str) -> str:
        """Return the value of Fn::GetAtt. Creates the resource if necessary.

        Raises Unresolvable if the resource or the attribute is unknown.
        """
        attributes = self._get(logical_id).attributes
        if attribute not in attributes:
            raise Unresolvable(f"{logical_id} has no attribute {attribute} in the local stack")
        return attributes[attribute]

    @property
    def physical_ids(self) -> dict[str, str]:
        """The values of Ref of all created resources, by logical id."""
        return {name: resource.ref for name, resource in self._physical_resources.items()}

    def outputs(self) -> dict[str, str]:
        """Return the values of the template's outputs whose condition is true."""
        return {
            name: str(self._resolver.resolve(output["Value"]))
            for name, output in self._outputs.items()
            if self._exists(output)
        }

    def of_type(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Return the resolved properties of the resources of a type, by logical id.

        A resource whose condition is false is omitted.
        """
        return {
            logical_id: self._resolver.resolve(declaration.get("Properties", {}))
            for logical_id, declaration in self._declared.items()
            if declaration["Type"] == resource_type and self._exists(declaration)
        }

    def _exists(self, declaration: Mapping[str, Any]) -> bool:
        condition = declaration.get("Condition")
        return condition is None or self._resolver.condition(condition)

    def _get(self, logical_id: str) -> PhysicalResource:
        if logical_id in self._physical_resources:
            return self._physical_resources[logical_id]
        declaration = self._declared.get(logical_id)
        if declaration is None:
            raise Unresolvable(f"the template has no parameter and no resource {logical_id}")
        if not self._exists(declaration):
            raise Unresolvable(
                f"{logical_id} does not exist, because its condition {declaration['Condition']}"
                " is false"
            )
        if logical_id in self._in_creation:
            raise Unresolvable(
                f"resources refer to each other in a circle:"
                f" {' → '.join([*self._in_creation, logical_id])}"
            )
        self._in_creation.append(logical_id)
        self._physical_resources[logical_id] = self._create(logical_id, declaration)
        self._in_creation.pop()
        return self._physical_resources[logical_id]

    def _create(self, logical_id: str, declaration: Mapping[str, Any]) -> PhysicalResource:
        resource_type = declaration["Type"]
        properties = declaration.get("Properties", {})
        name = f"{self._stack_name}-{logical_id}"
        if resource_type in self._named:
            return self._named[resource_type](
                ResourceRequest(name, lambda key: self._resolver.resolve(properties.get(key)))
            )
        if resource_type not in CREATORS:
            raise Unresolvable(
                f"{logical_id} has the type {resource_type}, which the local stack does not"
                " simulate"
            )
        request = CreateRequest(
            logical_id, name, self._resolver.resolve(properties), self._client, self._build_dir
        )
        return CREATORS[resource_type](request)
