"""What a call of AWS needs from IAM: actions, resources and condition keys."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from local.iam.accesses import Account, accesses_of
from local.iam.http_calls import AwsCall, read_call, read_s3_call
from local.iam.policies import Access

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/jobs"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:one"
FORM = "application/x-www-form-urlencoded"
KEY = {"pk": {"S": "ACCOUNT#a"}, "sk": {"S": "JOB#1"}}


def partition_key(_table: str, index: str | None) -> str:
    return "check_queue" if index else "pk"


def needs(service: str, operation: str, **parameters: Any) -> list[Access]:
    return list(accesses_of(service, operation, parameters, Account(partition_key, (MACHINE,))))


def one(operation: str, **parameters: Any) -> Access:
    (access,) = needs("dynamodb", operation, TableName="jobs", **parameters)
    return access


def attributes(access: Access) -> set[str]:
    return set(access.context["dynamodb:attributes"])


class TestDynamoDb:
    def test_an_update_accesses_the_attributes_of_all_its_expressions(self) -> None:
        access = one(
            "UpdateItem",
            Key=KEY,
            UpdateExpression=(
                "SET #0 = if_not_exists(#0, :a), #1[2].#2 = :b, plain = other + :c,"
                " #3 = list_append (#3, :d) REMOVE gone ADD total :one DELETE tags :set"
            ),
            ConditionExpression=(
                "attribute_exists(#4) AND NOT (size(#5) BETWEEN :a AND :b)"
                " OR begins_with(#6, :a) AND status IN (:a, :b) AND #7 <= :when"
            ),
            ExpressionAttributeNames={
                "#0": "zero",
                "#1": "one",
                "#2": "nested",
                "#3": "three",
                "#4": "four",
                "#5": "five",
                "#6": "six",
                "#7": "seven",
            },
            ReturnValues="ALL_NEW",
        )

        assert (access.action, access.resource) == ("dynamodb:UpdateItem", TABLE)
        assert access.context["dynamodb:leadingkeys"] == ("ACCOUNT#a",)
        assert access.context["dynamodb:returnvalues"] == ("ALL_NEW",)
        assert attributes(access) == {
            *("pk", "sk", "zero", "one", "plain", "other", "three", "gone", "total", "tags"),
            *("four", "five", "six", "status", "seven"),
        }

    def test_a_put_accesses_all_attributes_of_its_item(self) -> None:
        access = one("PutItem", Item=KEY | {"amount": {"N": "1"}}, ConditionExpression="a = :a")

        assert attributes(access) == {"pk", "sk", "amount", "a"}
        assert access.context["dynamodb:leadingkeys"] == ("ACCOUNT#a",)
        assert "dynamodb:returnvalues" not in access.context

    def test_a_read_of_whole_items_accesses_more_than_any_list(self) -> None:
        projected = one("GetItem", Key=KEY, ProjectionExpression="#0, b.c[1]")

        assert attributes(projected) == {"pk", "sk", "#0", "b"}
        assert attributes(one("GetItem", Key=KEY)) == {"pk", "sk", "*"}

    def test_a_query_has_the_partition_key_of_the_table_or_the_index(self) -> None:
        names = {"#0": "pk", "#1": "sk", "#2": "check_queue"}
        values = {":0": {"S": "ACCOUNT#a"}, ":1": {"S": "JOB#"}}
        of_table = one(
            "Query",
            KeyConditionExpression="(#0 = :0 AND begins_with(#1, :1))",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
        of_index = one(
            "Query",
            IndexName="next-check",
            KeyConditionExpression="(#2 = :0 AND #1 <= :1)",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

        assert of_table.context["dynamodb:leadingkeys"] == ("ACCOUNT#a",)
        assert (of_table.resource, of_index.resource) == (TABLE, f"{TABLE}/index/next-check")
        assert of_index.context["dynamodb:leadingkeys"] == ("ACCOUNT#a",)
        assert "dynamodb:leadingkeys" not in one("Scan").context

    def test_a_transaction_needs_each_of_its_items(self) -> None:
        items = [
            {"Put": {"TableName": "jobs", "Item": KEY}},
            {"Update": {"TableName": "jobs", "Key": KEY, "UpdateExpression": "SET a = :a"}},
            {"Delete": {"TableName": "jobs", "Key": KEY}},
            {"ConditionCheck": {"TableName": "jobs", "Key": KEY, "ConditionExpression": "b = :b"}},
        ]
        accesses = needs("dynamodb", "TransactWriteItems", TransactItems=items)
        (read,) = needs(
            "dynamodb",
            "TransactGetItems",
            TransactItems=[{"Get": {"TableName": "jobs", "Key": KEY}}],
        )

        assert [access.action.partition(":")[2] for access in accesses] == [
            "PutItem",
            "UpdateItem",
            "DeleteItem",
            "ConditionCheckItem",
        ]
        assert attributes(accesses[1]) == {"pk", "sk", "a"}
        assert attributes(accesses[3]) == {"pk", "sk", "b"}
        assert {each.context["dynamodb:enclosingoperation"] for each in accesses} == {
            ("TransactWriteItems",)
        }
        assert read.action == "dynamodb:GetItem"

    def test_a_batch_needs_each_of_its_items(self) -> None:
        reads = needs("dynamodb", "BatchGetItem", RequestItems={"jobs": {"Keys": [KEY, KEY]}})
        requests = [{"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": KEY}}]
        writes = needs("dynamodb", "BatchWriteItem", RequestItems={"jobs": requests})

        assert [each.action for each in reads] == ["dynamodb:BatchGetItem"] * 2
        assert [each.action for each in writes] == ["dynamodb:BatchWriteItem"] * 2
        assert writes[0].context["dynamodb:leadingkeys"] == ("ACCOUNT#a",)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "resource"),
    [
        ("states", "StartExecution", {"stateMachineArn": f"{MACHINE}:live"}, None, MACHINE),
        ("states", "SendTaskSuccess", {"taskToken": "a"}, None, MACHINE),
        ("states", "SendTaskFailure", {"taskToken": "a"}, None, MACHINE),
        ("states", "StopExecution", {"executionArn": "arn:e"}, None, "arn:e"),
        ("states", "ListStateMachines", {}, None, "*"),
        ("secretsmanager", "GetSecretValue", {"SecretId": "arn:a:b"}, None, "arn:a:b"),
        ("secretsmanager", "GetSecretValue", {"SecretId": "a"}, None, "secretsmanager::secret:a"),
        ("events", "PutEvents", {"Entries": [{"EventBusName": "b"}]}, None, "events::event-bus/b"),
        ("events", "PutEvents", {"Entries": [{}]}, None, "events::event-bus/default"),
        ("sns", "Publish", {"TopicArn": "arn:t", "Message": "m"}, None, "arn:t"),
        ("sqs", "DeleteMessage", {"QueueUrl": "http://a/1/q"}, None, "sqs::q"),
        ("sqs", "SendMessageBatch", {"QueueUrl": "http://a/1/q"}, "sqs:SendMessage", "sqs::q"),
        ("cognito-idp", "AdminGetUser", {"UserPoolId": "p"}, None, "cognito-idp::userpool/p"),
        ("lambda", "Invoke", {"FunctionName": "f"}, "lambda:InvokeFunction", "lambda::function:f"),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "f", "Qualifier": "live"},
            "lambda:InvokeFunction",
            "lambda::function:f:live",
        ),
        ("logs", "PutLogEvents", {}, None, "*"),
    ],
)
def test_what_a_call_needs(
    service: str, operation: str, parameters: dict[str, Any], action: str | None, resource: str
) -> None:
    (access,) = needs(service, operation, **parameters)
    whole = resource.replace("::", ":us-east-1:123456789012:")

    assert access.action == (action or f"{service}:{operation}")
    assert access.resource == (f"arn:aws:{whole}" if "::" in resource else resource)


def test_an_alias_is_the_qualifier_of_its_state_machine() -> None:
    (plain,) = needs("states", "StartExecution", stateMachineArn=MACHINE)
    (by_alias,) = needs("states", "StartExecution", stateMachineArn=f"{MACHINE}:live")

    assert (plain.context, by_alias.context) == ({}, {"states:statemachinequalifier": ("live",)})


def test_a_task_token_needs_the_permission_for_each_state_machine() -> None:
    account = Account(partition_key, (MACHINE, f"{MACHINE}-two"))
    accesses = accesses_of("states", "SendTaskSuccess", {"taskToken": "a"}, account)

    assert [access.resource for access in accesses] == [MACHINE, f"{MACHINE}-two"]


def request(method: str, path: str, body: bytes = b"", **headers: str) -> Request:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    builder = EnvironBuilder(path, "http://127.0.0.1:4566", method=method, data=body, headers=named)
    return Request(builder.get_environ())


@pytest.mark.parametrize(
    ("method", "path", "action", "resource"),
    [
        ("GET", "/b/media/a%20b?x-id=GetObject", "GetObject", "b/media/a b"),
        ("GET", "/b/a?response-content-disposition=attachment", "GetObject", "b/a"),
        ("GET", "/b/a?X-Amz-Signature=1&X-Amz-Expires=60", "GetObject", "b/a"),
        ("HEAD", "/b/a", "GetObject", "b/a"),
        ("PUT", "/b/a", "PutObject", "b/a"),
        ("PUT", "/b/a?partNumber=1&uploadId=2", "PutObject", "b/a"),
        ("POST", "/b/a?uploads", "PutObject", "b/a"),
        ("DELETE", "/b/a?uploadId=2", "AbortMultipartUpload", "b/a"),
        ("DELETE", "/b/a", "DeleteObject", "b/a"),
        ("GET", "/b?list-type=2", "ListBucket", "b"),
        ("GET", "/b/?list-type=2&prefix=media/", "ListBucket", "b"),
        ("HEAD", "/b", "ListBucket", "b"),
        ("GET", "/", "ListAllMyBuckets", None),
        ("GET", "/b/a?acl", "GET ?acl", "b"),
        ("GET", "/b?versions", "GET ?versions", "b"),
        ("PUT", "/b", "PUT ?", "b"),
    ],
)
def test_what_a_request_for_s3_needs(
    method: str, path: str, action: str, resource: str | None
) -> None:
    call = read_s3_call(request(method, path))
    (access,) = needs("s3", call.operation, **call.parameters)

    assert access.action == f"s3:{action}"
    assert access.resource == (f"arn:aws:s3:::{resource}" if resource else "*")
    assert access.context.get("s3:prefix") == (("media/",) if "prefix=" in path else None)


def test_a_copy_needs_its_source_and_a_deletion_needs_each_object() -> None:
    copy = read_s3_call(request("PUT", "/b/new", x_amz_copy_source="/other/media/a%20b"))
    body = b"<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>c</Key></Object></Delete>"
    deletion = read_s3_call(request("POST", "/b?delete", body))

    assert [
        (each.action, each.resource) for each in needs("s3", "CopyObject", **copy.parameters)
    ] == [
        ("s3:GetObject", "arn:aws:s3:::other/media/a b"),
        ("s3:PutObject", "arn:aws:s3:::b/new"),
    ]
    assert [each.resource for each in needs("s3", "DeleteObjects", **deletion.parameters)] == [
        "arn:aws:s3:::b/a&b",
        "arn:aws:s3:::b/c",
    ]


def test_a_bucket_may_be_in_the_host() -> None:
    call = read_s3_call(request("GET", "/media/a", Host="b.localhost:4566"))

    assert call.parameters == {"Bucket": "b", "Key": "media/a"}


def test_the_call_in_a_request() -> None:
    scope = "AWS4-HMAC-SHA256 Credential=a/20261130/us-east-1/logs/aws4_request"
    form = request("POST", "/", b"Action=GetCallerIdentity", Authorization=scope, Content_Type=FORM)
    body = b"Action=Publish&Version=2010-03-31&TopicArn=arn%3At"
    sns = scope.replace("logs", "sns")
    publish = request("POST", "/", body, Authorization=sns, Content_Type=FORM)
    named = request("POST", "/", b'{"a": 1}', X_Amz_Target="DynamoDB_20120810.PutItem")
    other = request("POST", "/", b"", X_Amz_Target="Logs_1.PutLogEvents", Authorization=scope)
    invocation = request("POST", "/2015-03-31/functions/arn%3Af/invocations?Qualifier=live")

    assert read_call(named) == AwsCall("dynamodb", "PutItem", {"a": 1})
    assert read_call(other) == AwsCall("logs", "PutLogEvents")
    assert read_call(form) == AwsCall("logs", "GetCallerIdentity")
    assert read_call(publish) == AwsCall("sns", "Publish", {"TopicArn": "arn:t"})
    assert read_call(invocation) == AwsCall(
        "lambda", "Invoke", {"FunctionName": "arn:f", "Qualifier": "live"}
    )
    assert read_call(request("GET", "/any")) == AwsCall("unknown", "GET /any")
