"""The local stack evaluates policies as IAM does, and refuses what it cannot evaluate."""

from __future__ import annotations

from typing import Any

import pytest

from local.iam.conditions import UnsupportedPolicy
from local.iam.policies import Access, is_allowed, parse_document
from local.iam.roles import read_policies
from local.iam.targets import MissingPermission, check_targets

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/one"
ROLE = "arn:aws:iam::123456789012:role/Role"


def allow(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": TABLE, **elements}


def put(**context: tuple[str, ...]) -> Access:
    keys = {name.replace("_", ":"): values for name, values in context.items()}
    return Access("dynamodb:PutItem", TABLE, keys)


def allows(access: Access, *statements: dict[str, Any]) -> bool:
    return is_allowed(list(parse_document({"Statement": list(statements)}, "trial")), access)


def holds(condition: dict[str, Any], **context: tuple[str, ...]) -> bool:
    return allows(put(**context), allow(Condition=condition))


class TestStatements:
    @pytest.mark.parametrize(
        ("action", "allowed"),
        [
            ("dynamodb:PutItem", True),
            ("DynamoDB:putitem", True),
            ("dynamodb:Put*", True),
            ("dynamodb:PutIte?", True),
            ("*", True),
            (["dynamodb:GetItem", "dynamodb:PutItem"], True),
            ("dynamodb:Put", False),
            ("dynamodb:GetItem", False),
            ([], False),
        ],
    )
    def test_an_action_matches_whole_without_case(self, action: Any, allowed: bool) -> None:
        assert allows(put(), allow(Action=action)) is allowed

    @pytest.mark.parametrize(
        ("resource", "allowed"),
        [
            (TABLE, True),
            ("*", True),
            (TABLE[:-1] + "?", True),
            ("arn:aws:dynamodb:*:*:table/*", True),
            (TABLE + "/index/*", False),
            (TABLE.upper(), False),
            (TABLE[:-1], False),
        ],
    )
    def test_a_resource_matches_whole_with_case(self, resource: str, allowed: bool) -> None:
        assert allows(put(), allow(Resource=resource)) is allowed

    def test_nothing_is_allowed_without_a_statement(self) -> None:
        assert not allows(put())

    def test_a_denial_wins(self) -> None:
        denial = allow(Effect="Deny", Action="dynamodb:*")

        assert allows(put(), allow())
        assert not allows(put(), denial)
        assert not allows(put(), allow(), denial)
        assert allows(put(), allow(), allow(Effect="Deny", Action="dynamodb:GetItem"))


class TestConditions:
    @pytest.mark.parametrize(
        ("operator", "value", "allowed"),
        [
            ("StringEquals", "media/*", False),
            ("StringEquals", ["other", "media/a"], True),
            ("StringNotEquals", "media/a", False),
            ("StringNotEquals", ["other", "more"], True),
            ("StringLike", "media/*", True),
            ("StringLike", "media", False),
            ("StringNotLike", "media/*", False),
            ("StringNotLike", "uploads/*", True),
        ],
    )
    def test_texts_are_compared_whole(self, operator: str, value: Any, allowed: bool) -> None:
        assert holds({operator: {"s3:prefix": value}}, s3_prefix=("media/a",)) is allowed

    def test_an_arn_is_compared_part_by_part(self) -> None:
        rule = ("arn:aws:events:us-east-1:123456789012:rule/bus/ended",)

        def fits(pattern: str) -> bool:
            return holds({"ArnLike": {"aws:SourceArn": pattern}}, aws_sourcearn=rule)

        assert fits("arn:aws:events:*:123456789012:rule/*")
        assert not fits("arn:aws:events:*:rule/*")
        assert not fits("arn:aws:events:us-east-1:*")
        assert holds({"ArnEquals": {"aws:SourceArn": rule[0]}}, aws_sourcearn=rule)

    @pytest.mark.parametrize(
        ("operator", "allowed"),
        [
            ("StringEquals", False),
            ("StringEqualsIfExists", True),
            ("StringNotEquals", True),
            ("StringLike", False),
            ("Bool", False),
        ],
    )
    def test_a_key_that_the_request_lacks(self, operator: str, allowed: bool) -> None:
        assert holds({operator: {"s3:prefix": "true"}}) is allowed

    def test_if_exists_compares_a_key_that_the_request_has(self) -> None:
        condition = {"StringEqualsIfExists": {"dynamodb:ReturnValues": ["NONE", "UPDATED_NEW"]}}

        assert holds(condition, dynamodb_returnvalues=("UPDATED_NEW",))
        assert not holds(condition, dynamodb_returnvalues=("ALL_NEW",))

    def test_a_key_has_no_case(self) -> None:
        assert holds({"StringEquals": {"S3:Prefix": "a"}}, s3_prefix=("a",))

    def test_for_all_values_needs_each_value(self) -> None:
        condition = {"ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "width"]}}

        assert holds(condition, dynamodb_attributes=("pk", "width"))
        assert not holds(condition, dynamodb_attributes=("pk", "credits"))
        assert holds(condition)

    def test_for_any_value_needs_one_value(self) -> None:
        condition = {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": "ACCOUNT#*"}}

        assert holds(condition, dynamodb_leadingkeys=("AUDIT", "ACCOUNT#web#ann"))
        assert not holds(condition, dynamodb_leadingkeys=("AUDIT",))
        assert not holds(condition)

    def test_all_conditions_must_be_true(self) -> None:
        condition = {
            "StringEquals": {"s3:prefix": "a", "dynamodb:ReturnValues": "NONE"},
            "Bool": {"aws:SecureTransport": True},
        }
        context = {
            "s3_prefix": ("a",),
            "dynamodb_returnvalues": ("NONE",),
            "aws_securetransport": ("true",),
        }

        assert holds(condition, **context)
        for name in context:
            assert not holds(condition, **(context | {name: ("other",)})), name


@pytest.mark.parametrize(
    ("statement", "cause"),
    [
        (allow(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), "operator IpAddress"),
        (allow(Condition={"ForEach:StringEquals": {"s3:prefix": "a"}}), "operator ForEach"),
        (allow(Condition={"StringEquals": {"aws:username": "a"}}), "condition key aws:username"),
        (allow(Condition={"StringEquals": {"dynamodb:Select": "COUNT"}}), "dynamodb:Select"),
        (allow(Condition={"StringEquals": {"dynamodb:Attributes": "a"}}), "needs a set operator"),
        (allow(Condition={"ForAnyValue:StringEquals": {"s3:prefix": "a"}}), "must not have a set"),
        (allow(Condition={"StringEquals": {"s3:prefix": "${aws:userid}"}}), "policy variable"),
        (allow(Resource="arn:aws:s3:::one/${aws:userid}"), "policy variable"),
        (allow(NotAction="s3:GetObject"), "element NotAction"),
        (allow(NotResource="*"), "element NotResource"),
        (allow(Effect="Maybe"), "effect Maybe"),
        (allow(Principal={"AWS": "arn:aws:iam::123456789012:user/ann"}), "the principal"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses_a_statement_that_it_cannot_evaluate(statement: dict[str, Any], cause: str) -> None:
    with pytest.raises(UnsupportedPolicy, match=cause) as refused:
        list(parse_document({"Statement": [allow(), statement]}, "of ApiFunctionRole"))

    assert "the policy of ApiFunctionRole, statement number 1" in str(refused.value)


def test_the_error_has_the_name_of_the_statement() -> None:
    with pytest.raises(UnsupportedPolicy, match="statement OnlyMine"):
        list(parse_document({"Statement": allow(Sid="OnlyMine", NotAction="*")}, "trial"))


class Resources:
    """The resources of a stack, already resolved: type and properties by logical id."""

    def __init__(self, **resources: tuple[str, dict[str, Any]]) -> None:
        self._resources = resources

    def of_type(self, resource_type: str) -> dict[str, dict[str, Any]]:
        found = self._resources.items()
        return {name: properties for name, (kind, properties) in found if kind == resource_type}

    def ref(self, logical_id: str) -> str:
        return logical_id

    def attribute(self, logical_id: str, _attribute: str) -> str:
        return f"arn:aws:iam::123456789012:role/{logical_id}"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


class TestRoles:
    def test_a_role_has_all_its_policies(self) -> None:
        role = {
            "Policies": [{"PolicyName": "own", "PolicyDocument": document(allow())}],
            "ManagedPolicyArns": ["Shared", "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"],
        }
        policies = read_policies(
            Resources(
                Role=("AWS::IAM::Role", role),
                Other=("AWS::IAM::Role", {}),
                Shared=(
                    "AWS::IAM::ManagedPolicy",
                    {"PolicyDocument": document(allow(Action="dynamodb:GetItem"))},
                ),
                Attached=(
                    "AWS::IAM::Policy",
                    {"Roles": ["Role"], "PolicyDocument": document(allow(Action="dynamodb:Scan"))},
                ),
            )
        )
        actions = ("dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Scan", "xray:PutTraceSegments")

        for action in actions:
            assert policies.allow(ROLE, Access(action, TABLE)), action
            assert not policies.allow(ROLE.replace("/Role", "/Other"), Access(action, TABLE))
        assert not policies.allow(ROLE, Access("dynamodb:Query", TABLE))
        assert not policies.allow("arn:aws:iam::123456789012:role/Unknown", put())

    @pytest.mark.parametrize(
        ("role", "cause"),
        [
            ({"ManagedPolicyArns": ["arn:aws:iam::aws:policy/Unknown"]}, "policy/Unknown"),
            ({"ManagedPolicyArns": ["Elsewhere"]}, "Elsewhere"),
            ({"PermissionsBoundary": "Limit"}, "permissions boundary of Role"),
        ],
    )
    def test_refuses_a_policy_that_it_does_not_know(self, role: dict[str, Any], cause: str) -> None:
        with pytest.raises(UnsupportedPolicy, match=cause):
            read_policies(Resources(Role=("AWS::IAM::Role", role)))

    def test_a_denial_in_the_policy_of_a_bucket_is_for_every_role(self) -> None:
        role = {
            "Policies": [
                {"PolicyName": "own", "PolicyDocument": document(allow(Action="*", Resource="*"))}
            ]
        }
        denial = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        policies = read_policies(
            Resources(
                Role=("AWS::IAM::Role", role),
                Policy=("AWS::S3::BucketPolicy", {"PolicyDocument": document(denial)}),
            )
        )

        def get(transport: str) -> Access:
            context = {"aws:securetransport": (transport,)}
            return Access("s3:GetObject", "arn:aws:s3:::one/a", context)

        assert policies.allow(ROLE, get("true"))
        assert not policies.allow(ROLE, get("false"))


QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:one:live"


class TestTargets:
    @pytest.mark.parametrize("allowed", [True, False])
    def test_a_rule_needs_the_policy_of_its_queue(self, allowed: bool) -> None:
        rule = {"Targets": [{"Id": "queue", "Arn": QUEUE}]}
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com" if allowed else "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": QUEUE,
        }
        self._check(
            allowed,
            Rule=("AWS::Events::Rule", rule),
            Policy=("AWS::SQS::QueuePolicy", {"PolicyDocument": document(statement)}),
        )

    @pytest.mark.parametrize("resource", [FUNCTION, FUNCTION.removesuffix(":live")])
    def test_a_schedule_needs_its_role(self, resource: str) -> None:
        statement = allow(Action="lambda:InvokeFunction", Resource=resource)
        role = {"Policies": [{"PolicyName": "own", "PolicyDocument": document(statement)}]}
        schedule = {"Target": {"Arn": FUNCTION, "RoleArn": ROLE}}
        self._check(
            resource == FUNCTION,
            Schedule=("AWS::Scheduler::Schedule", schedule),
            Role=("AWS::IAM::Role", role),
        )

    @staticmethod
    def _check(allowed: bool, **declared: tuple[str, dict[str, Any]]) -> None:
        resources = Resources(**declared)
        policies = read_policies(resources)
        if allowed:
            check_targets(resources, policies)
        else:
            with pytest.raises(MissingPermission, match="may not reach"):
                check_targets(resources, policies)
