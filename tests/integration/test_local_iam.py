"""The AWS port of the local stack refuses what the policies of the template do not allow.

Requests are signed as the functions sign them. No function runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from local.cloudformation.account import (
    ADMINISTRATOR,
    STACK_NAME,
    AccessKey,
    client,
    role_access_key,
)
from local.cloudformation.aws_endpoint import LocalAws
from local.cloudformation.resources import Resources
from local.cloudformation.seeding import local_parameters
from local.cloudformation.template import read_template, translate
from local.iam.enforcement import Enforcement
from local.iam.roles import Policies, read_policies

BUILD = Path(".aws-sam/local").resolve()
ROW = {"pk": {"S": "ACCOUNT#web#ann"}, "sk": {"S": "JOB#1"}}


@dataclass
class Account:
    """A local AWS with the resources of the template, and with enforced policies."""

    aws: LocalAws
    resources: Resources
    policies: Policies
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def role_arn(self, function: str) -> str:
        """Return the ARN of the role of a function, by the function's logical id."""
        return self.resources.attribute(f"{function}Role", "Arn")

    def client(self, service: str, function: str | None = None) -> Any:
        """Return a client that signs as a function, or as the administrator."""
        key = role_access_key(self.role_arn(function)) if function else ADMINISTRATOR
        if (service, key.id) not in self.clients:
            self.clients[service, key.id] = client(service, self.aws.url, key)
        return self.clients[service, key.id]

    def enforce(self, policies: Policies) -> None:
        machines = [self.resources.ref("Workflow")]
        self.aws.enforce(Enforcement(policies, machines))

    @property
    def names(self) -> dict[str, str]:
        """The physical names of the resources of the template, by logical id."""
        return self.resources.physical_ids


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    aws = LocalAws(0)
    aws.start()
    template = read_template(BUILD)
    url = "http://127.0.0.1:1"
    values = local_parameters(
        template, api_url=url, replicate_url=url, runway_url=url, stable_diffusion_url=url
    )
    resources = Resources(
        translate(template, values),
        values,
        stack_name=STACK_NAME,
        build_dir=BUILD,
        api_url=url,
        client=lambda service: client(service, aws.url),
    )
    resources.create()
    found = Account(aws, resources, read_policies(resources))
    found.enforce(found.policies)
    yield found
    aws.stop()


def error_of(call: Any) -> tuple[int, str]:
    """Return the status and the code of the error of a call."""
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def update(account: Account, function: str, *names: str, **more: Any) -> Any:
    """Update these attributes of a row as a function."""
    expression = ", ".join(f"#{number} = :a" for number in range(len(names)))
    return account.client("dynamodb", function).update_item(
        TableName=account.names["Table"],
        Key=ROW,
        UpdateExpression=f"SET {expression}",
        ExpressionAttributeNames={f"#{number}": name for number, name in enumerate(names)},
        ExpressionAttributeValues={":a": {"S": "a"}},
        **more,
    )


class TestErrors:
    @pytest.mark.parametrize(
        ("service", "method", "arguments", "expected"),
        [
            ("dynamodb", "scan", {"TableName": "Table"}, (400, "AccessDeniedException")),
            (
                "stepfunctions",
                "describe_state_machine",
                {"stateMachineArn": "Workflow"},
                (400, "AccessDeniedException"),
            ),
            (
                "secretsmanager",
                "get_secret_value",
                {"SecretId": "ReplicateTokenSecret"},
                (400, "AccessDeniedException"),
            ),
            (
                "events",
                "put_events",
                {
                    "Entries": [
                        {"EventBusName": "a", "Source": "a", "DetailType": "a", "Detail": "{}"}
                    ]
                },
                (400, "AccessDeniedException"),
            ),
            ("sqs", "purge_queue", {"QueueUrl": "CallbackQueue"}, (400, "AccessDeniedException")),
            (
                "cognito-idp",
                "list_users",
                {"UserPoolId": "UserPool"},
                (400, "AccessDeniedException"),
            ),
            ("lambda", "invoke", {"FunctionName": "ApiFunction"}, (403, "AccessDeniedException")),
            ("logs", "describe_log_groups", {}, (400, "AccessDeniedException")),
            (
                "s3",
                "get_object",
                {"Bucket": "MediaBucket", "Key": "media/a"},
                (403, "AccessDenied"),
            ),
            ("s3", "list_objects_v2", {"Bucket": "MediaBucket"}, (403, "AccessDenied")),
        ],
    )
    def test_a_refusal_has_the_format_of_its_service(
        self,
        account: Account,
        service: str,
        method: str,
        arguments: dict[str, Any],
        expected: tuple[int, str],
    ) -> None:
        found = {
            name: account.names.get(value, value) if isinstance(value, str) else value
            for name, value in arguments.items()
        }
        call = getattr(account.client(service, "CompleteJobFunction"), method)

        assert error_of(lambda: call(**found)) == expected

    def test_the_message_names_role_action_and_resource(self, account: Account) -> None:
        dynamodb = account.client("dynamodb", "CompleteJobFunction")
        with pytest.raises(dynamodb.exceptions.ClientError) as refused:
            dynamodb.scan(TableName=account.names["Table"])

        message = refused.value.response["Error"]["Message"]
        assert "assumed-role/darkroom-CompleteJobFunctionRole/" in message
        assert "perform: dynamodb:Scan on resource: arn:aws:dynamodb:" in message
        assert message.endswith("because no identity-based policy allows the dynamodb:Scan action")

    def test_other_access_keys_are_those_of_administrators(self, account: Account) -> None:
        for key in (ADMINISTRATOR, AccessKey("test", "test"), AccessKey("ASIALOCAL0", "any")):
            dynamodb = client("dynamodb", account.aws.url, key)
            assert "Items" in dynamodb.scan(TableName=account.names["Table"])


class TestRemovedStatements:
    @pytest.mark.parametrize(
        ("function", "action", "called", "arguments"),
        [
            (
                "AuditAccountsFunction",
                "dynamodb:scan",
                "dynamodb.scan",
                {"TableName": "Table"},
            ),
            (
                "ReceivePredictionFunction",
                "secretsmanager:getsecretvalue",
                "secretsmanager.get_secret_value",
                {"SecretId": "ReplicateWebhookSecret"},
            ),
            (
                "StoreOutputFunction",
                "s3:listbucket",
                "s3.list_objects_v2",
                {"Bucket": "MediaBucket", "Prefix": "media/ann/1/"},
            ),
            (
                "StoreOutputFunction",
                "s3:putobject",
                "s3.put_object",
                {"Bucket": "MediaBucket", "Key": "media/a", "Body": b"a"},
            ),
            (
                "ApiFunction",
                "states:startexecution",
                "stepfunctions.start_execution",
                {"stateMachineArn": "WorkflowAliaslive", "input": json.dumps({})},
            ),
            (
                "NotifyClientFunction",
                "sqs:receivemessage",
                "sqs.receive_message",
                {"QueueUrl": "CallbackQueue"},
            ),
        ],
    )
    def test_the_call_is_refused_without_the_statement(
        self,
        account: Account,
        function: str,
        action: str,
        called: str,
        arguments: dict[str, Any],
    ) -> None:
        account.client("secretsmanager").put_secret_value(
            SecretId=account.names["ReplicateWebhookSecret"], SecretString="whsec_a"
        )
        role = account.policies.roles[account.role_arn(function)]
        kept = tuple(each for each in role.statements if action not in each.actions)
        found = {
            name: account.names.get(value, value) if isinstance(value, str) else value
            for name, value in arguments.items()
        }

        service, _, method = called.partition(".")

        def call() -> Any:
            return getattr(account.client(service, function), method)(**found)

        assert call()
        account.enforce(Policies([replace(role, statements=kept)]))
        try:
            assert error_of(call)[1] in ("AccessDenied", "AccessDeniedException")
        finally:
            account.enforce(account.policies)
        assert len(kept) < len(role.statements)


class TestAttributes:
    @pytest.mark.parametrize(
        ("function", "attribute"),
        [
            ("PrepareUploadFunction", "content_type"),
            ("PrepareUploadFunction", "large"),
            ("StoreOutputFunction", "outputs"),
        ],
    )
    def test_a_decoder_writes_its_own_attributes_only(
        self, account: Account, function: str, attribute: str
    ) -> None:
        refused = (400, "AccessDeniedException")

        assert update(account, function, attribute)
        assert error_of(lambda: update(account, function, attribute, "available")) == refused
        assert error_of(lambda: update(account, function, "callback_secret")) == refused
        for values in ("ALL_NEW", "ALL_OLD"):
            call = lambda: update(account, function, attribute, ReturnValues=values)  # noqa: B023, E731
            assert error_of(call) == refused

    def test_another_function_writes_accounts(self, account: Account) -> None:
        assert update(account, "CompleteJobFunction", "available", ReturnValues="ALL_NEW")


class TestObjects:
    @pytest.fixture(autouse=True)
    def stored(self, account: Account) -> None:
        s3 = account.client("s3")
        for key in ("media/a", "uploads/a"):
            s3.put_object(Bucket=account.names["MediaBucket"], Key=key, Body=b"image")

    def link(self, account: Account, function: str, key: str) -> str:
        url: str = account.client("s3", function).generate_presigned_url(
            "get_object", {"Bucket": account.names["MediaBucket"], "Key": key}
        )
        return url

    def test_a_link_has_the_permissions_of_its_signer(self, account: Account) -> None:
        allowed = requests.get(self.link(account, "ApiFunction", "media/a"), timeout=5)
        refused = requests.get(self.link(account, "ApiFunction", "uploads/a"), timeout=5)

        assert (allowed.status_code, allowed.content) == (200, b"image")
        assert (refused.status_code, refused.headers["Content-Type"]) == (403, "application/xml")
        assert "<Code>AccessDenied</Code>" in refused.text

    @pytest.mark.parametrize(
        ("function", "status"), [("ApiFunction", 204), ("NotifyClientFunction", 403)]
    )
    def test_a_form_has_the_permissions_of_its_signer(
        self, account: Account, function: str, status: int
    ) -> None:
        bucket = account.names["MediaBucket"]
        form = account.client("s3", function).generate_presigned_post(bucket, "uploads/new")
        response = requests.post(
            form["url"], data=form["fields"], files={"file": b"image"}, timeout=5
        )

        assert response.status_code == status

    def test_only_an_administrator_learns_that_an_object_is_missing(self, account: Account) -> None:
        missing = {"Bucket": account.names["MediaBucket"], "Key": "media/missing"}
        function, admin = account.client("s3", "ApiFunction"), account.client("s3")

        assert error_of(lambda: function.get_object(**missing)) == (403, "AccessDenied")
        assert error_of(lambda: admin.get_object(**missing)) == (404, "NoSuchKey")

    def test_a_prefix_of_another_folder_is_not_listed(self, account: Account) -> None:
        s3, bucket = account.client("s3", "PrepareUploadFunction"), account.names["MediaBucket"]

        assert s3.list_objects_v2(Bucket=bucket, Prefix="uploads/a")["KeyCount"] == 1
        for prefix in ("media/", "", "upload"):
            call = lambda: s3.list_objects_v2(Bucket=bucket, Prefix=prefix)  # noqa: B023, E731
            assert error_of(call) == (403, "AccessDenied")

    def test_a_refused_deletion_deletes_nothing(self, account: Account) -> None:
        bucket = account.names["MediaBucket"]
        objects = {"Objects": [{"Key": "media/a"}, {"Key": "uploads/a"}]}
        response = account.client("s3", "ApiFunction").delete_objects(Bucket=bucket, Delete=objects)

        assert [each["Code"] for each in response["Errors"]] == ["AccessDenied"] * 2
        assert account.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] >= 2
