"""The account of a deployment, its first administrator, and sign-in, on a simulated AWS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tools.admin import make_administrator
from tools.deployed_stack import StackUnusable, UserPool, read_outputs, user_pool
from tools.deployment import account
from tools.deployment.refusals import DeploymentRefused
from tools.sign_in import sign_in

EMAIL = "ada@example.com"
PASSWORD = "A-long-passphrase-1"
STACK = "darkroom-dev"
# moto's CloudFormation has no user pools, so the fixture creates the pool beside the stack.
TEMPLATE = """
Parameters:
  JobsPerMinuteMax: {Type: Number, Default: 120}
  Pool: {Type: String}
  Client: {Type: String}
Resources:
  Queue: {Type: AWS::SQS::Queue}
Outputs:
  ApiUrl: {Value: "https://api.example"}
  UserPoolId: {Value: !Ref Pool}
  UserPoolClientId: {Value: !Ref Client}
"""


@pytest.fixture
def deployed() -> Iterator[UserPool]:
    """An AWS account with a stack that has a user pool and the group of the administrators."""
    with mock_aws():
        cognito = boto3.client("cognito-idp")
        pool = cognito.create_user_pool(PoolName="users", UsernameAttributes=["email"])["UserPool"]
        client = cognito.create_user_pool_client(
            UserPoolId=pool["Id"],
            ClientName="client",
            ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
        )["UserPoolClient"]
        cognito.create_group(UserPoolId=pool["Id"], GroupName="admin")
        names = {"Pool": pool["Id"], "Client": client["ClientId"]}
        boto3.client("cloudformation").create_stack(
            StackName=STACK,
            TemplateBody=TEMPLATE,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value} for name, value in names.items()
            ],
        )
        yield UserPool(pool["Id"], client["ClientId"])


@pytest.fixture
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without a region, a profile or credentials."""
    for name in ("DEFAULT_REGION", "REGION", "PROFILE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "missing"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def user_of(pool: UserPool) -> dict[str, Any]:
    cognito = boto3.client("cognito-idp")
    user: Any = cognito.admin_get_user(UserPoolId=pool.identifier, Username=EMAIL)
    groups = cognito.admin_list_groups_for_user(UserPoolId=pool.identifier, Username=EMAIL)
    return {**user, "groups": [group["GroupName"] for group in groups["Groups"]]}


def test_the_account_and_the_region_come_from_the_environment(deployed: UserPool) -> None:
    signed_in = account.sign_in()

    assert (signed_in.identifier, signed_in.region) == ("123456789012", "us-east-1")


def test_a_missing_region_is_one_line_with_a_command(
    no_configuration: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeploymentRefused, match=r"^No region is set. Type: export AWS_DEFAULT"):
        account.sign_in()

    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    with pytest.raises(DeploymentRefused, match="Type: export AWS_DEFAULT_REGION=eu-west-3"):
        account.sign_in()


def test_missing_credentials_are_one_line_with_a_command(
    no_configuration: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")

    with pytest.raises(DeploymentRefused, match=r"^No AWS credentials .* Type: export AWS_PROFILE"):
        account.sign_in()


def test_an_unknown_profile_is_one_line_with_a_command(
    no_configuration: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(DeploymentRefused, match=r"nobody.* Type: aws configure list-profiles"):
        account.sign_in()


def test_reads_the_parameters_of_the_stack_or_nothing(deployed: UserPool) -> None:
    stack = account.read_stack(STACK)

    assert stack.status == "CREATE_COMPLETE"
    assert stack.parameters["JobsPerMinuteMax"] == "120"
    assert stack.outputs["ApiUrl"] == "https://api.example"
    assert account.read_stack("darkroom-two") == account.DeployedStack()


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ("ROLLBACK_COMPLETE", "delete-stack"),
        ("DELETE_FAILED", "delete-stack"),
        ("UPDATE_IN_PROGRESS", "describe-stack-events"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
    ],
)
def test_a_stack_that_cannot_be_updated_is_refused(status: str, command: str) -> None:
    with pytest.raises(DeploymentRefused, match=f"{status}.* Type: aws cloudformation {command}"):
        account.check_stack(STACK, account.DeployedStack(status))


@pytest.mark.parametrize("status", ["", "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_new_or_complete_stack_can_be_deployed(status: str) -> None:
    account.check_stack(STACK, account.DeployedStack(status))


def test_makes_an_administrator_who_can_sign_in(
    deployed: UserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)

    done = make_administrator(STACK, EMAIL)

    pool = user_pool(read_outputs(STACK))
    user = user_of(pool)
    assert done[0] == f"created {EMAIL}"
    assert (user["UserStatus"], user["groups"]) == ("CONFIRMED", ["admin"])
    assert sign_in(pool, EMAIL, PASSWORD)["IdToken"]


def test_a_second_run_keeps_the_password(
    deployed: UserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)
    make_administrator(STACK, EMAIL)
    monkeypatch.delenv("ADMIN_PASSWORD")

    done = make_administrator(STACK, EMAIL)

    assert done == [f"{EMAIL} exists", "is a member of the group admin"]
    assert sign_in(user_pool(read_outputs(STACK)), EMAIL, PASSWORD)["IdToken"]


def test_registers_an_authenticator_app_if_the_pool_offers_it(
    deployed: UserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)
    monkeypatch.setenv("MFA_CODE", "123456")
    pool = user_pool(read_outputs(STACK))
    boto3.client("cognito-idp").set_user_pool_mfa_config(
        UserPoolId=pool.identifier,
        SoftwareTokenMfaConfiguration={"Enabled": True},
        MfaConfiguration="OPTIONAL",
    )
    secrets: list[str] = []

    def register(secret: str) -> str:
        secrets.append(secret)
        return "123456"

    done = make_administrator(STACK, EMAIL, register)
    again = make_administrator(STACK, EMAIL, register)

    assert done[-1] == "registered an authenticator app"
    assert "registered an authenticator app" not in again
    assert len(secrets) == 1
    assert user_of(pool)["UserMFASettingList"] == ["SOFTWARE_TOKEN_MFA"]


def test_a_wrong_password_an_email_and_a_missing_stack_are_explained(
    deployed: UserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)
    make_administrator(STACK, EMAIL)

    with pytest.raises(StackUnusable, match=f"{EMAIL} cannot sign in"):
        sign_in(user_pool(read_outputs(STACK)), EMAIL, "wrong")
    with pytest.raises(StackUnusable, match="Type: make admin CONFIG=dev EMAIL="):
        make_administrator(STACK, "")
    with pytest.raises(StackUnusable, match="darkroom-two cannot be read"):
        make_administrator("darkroom-two", EMAIL)


def test_without_a_terminal_the_variable_of_the_password_is_named(
    deployed: UserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)

    with pytest.raises(StackUnusable, match="Set ADMIN_PASSWORD"):
        make_administrator(STACK, EMAIL)


def test_a_stack_with_its_own_identity_provider_has_no_user_pool() -> None:
    with pytest.raises(StackUnusable, match="JwtIssuer is set"):
        user_pool({"ApiUrl": "https://api.example"})


def test_refused_credentials_are_one_line(
    deployed: UserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "ExpiredToken", "Message": "It expired."}}, "Get")

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", refuse)

    with pytest.raises(DeploymentRefused, match=r"refuses the credentials: It expired. Type: aws"):
        account.sign_in()
