"""The roles of a stack and their policies, read from the translated template.

Policies of AWS come from moto, which has a copy of them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from moto.iam.aws_managed_policies import aws_managed_policies_data

from local.iam.conditions import UnsupportedPolicy
from local.iam.policies import Access, Statement, is_allowed, parse_document

_OF_AWS = ":iam::aws:policy/"


class StackResources(Protocol):
    """The resources of a stack."""

    def of_type(self, resource_type: str) -> Mapping[str, dict[str, Any]]:
        """Return the resolved properties of the resources of a type, by logical id."""

    def ref(self, logical_id: str) -> str:
        """Return the value of Ref."""

    def attribute(self, logical_id: str, attribute: str) -> str:
        """Return the value of Fn::GetAtt."""


@dataclass(frozen=True)
class Role:
    """A role, and the statements of all its policies."""

    logical_id: str
    arn: str
    statements: tuple[Statement, ...]


class Policies:
    """All policies of a stack: those of its roles, and those of its buckets and queues."""

    def __init__(
        self, roles: Iterable[Role], resource_statements: Iterable[Statement] = ()
    ) -> None:
        """Keep the roles and the statements of the resources' policies."""
        self.roles = {role.arn: role for role in roles}
        self.resource_statements = tuple(resource_statements)

    def allow(self, role_arn: str, access: Access) -> bool:
        """Return whether a role may do this. A role that the stack does not have may do nothing."""
        role = self.roles.get(role_arn)
        everybody = (each for each in self.resource_statements if each.is_for("*"))
        return role is not None and is_allowed((*role.statements, *everybody), access)

    def allow_service(self, service: str, access: Access) -> bool:
        """Return whether the policies of resources allow a service of AWS to do this."""
        own = (each for each in self.resource_statements if each.is_for(service))
        return is_allowed(own, access)


def read_policies(resources: StackResources) -> Policies:
    """Read all policies of a stack.

    Raises UnsupportedPolicy for a statement that the local stack cannot evaluate.
    """
    managed = {
        resources.ref(logical_id): (logical_id, properties)
        for logical_id, properties in resources.of_type("AWS::IAM::ManagedPolicy").items()
    }
    attached = [
        *managed.values(),
        *resources.of_type("AWS::IAM::Policy").items(),
    ]

    def statements(logical_id: str, properties: Mapping[str, Any]) -> Iterator[Statement]:
        if "PermissionsBoundary" in properties:
            raise UnsupportedPolicy(
                f"The local stack cannot evaluate the permissions boundary of {logical_id}."
            )
        for policy in properties.get("Policies", []):
            yield from parse_document(policy["PolicyDocument"], f"of {logical_id}")
        for reference in properties.get("ManagedPolicyArns", []):
            if reference in managed:
                name, policy = managed[reference]
                yield from parse_document(policy["PolicyDocument"], name)
            else:
                yield from _statements_of_aws(reference)
        for name, policy in attached:
            if resources.ref(logical_id) in policy.get("Roles", []):
                yield from parse_document(policy["PolicyDocument"], name)

    return Policies(
        [
            Role(
                logical_id,
                resources.attribute(logical_id, "Arn"),
                tuple(statements(logical_id, properties)),
            )
            for logical_id, properties in resources.of_type("AWS::IAM::Role").items()
        ],
        [
            statement
            for resource_type in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")
            for logical_id, properties in resources.of_type(resource_type).items()
            for statement in parse_document(properties["PolicyDocument"], logical_id)
        ],
    )


@cache
def _statements_of_aws(policy_arn: str) -> tuple[Statement, ...]:
    """Return the statements of a policy that AWS manages."""
    if _OF_AWS not in policy_arn or policy_arn not in (known := _policies_of_aws()):
        raise UnsupportedPolicy(f"The local stack does not know the policy {policy_arn}.")
    return tuple(parse_document(known[policy_arn], policy_arn))


@cache
def _policies_of_aws() -> Mapping[str, Mapping[str, Any]]:
    return {
        f"arn:aws:iam::aws:policy{policy['Path']}{name}": policy["Document"]
        for name, policy in json.loads(aws_managed_policies_data).items()
    }
