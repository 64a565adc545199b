"""The AWS account of a deployment: region, credentials, and the stack as it is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from tools.deployment.refusals import DeploymentRefused

# States from which CloudFormation accepts no update. Source: CloudFormation User Guide, "Stack
# status codes".
_UNUSABLE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
_CONTINUABLE = "UPDATE_ROLLBACK_FAILED"


@dataclass(frozen=True)
class Account:
    """The signed-in AWS account."""

    identifier: str
    caller: str
    region: str


@dataclass(frozen=True)
class DeployedStack:
    """A stack, or the place of a stack that does not exist yet."""

    status: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


def sign_in() -> Account:
    """Find the region, and ask STS for the account. Raises DeploymentRefused.

    botocore reads the region and the credentials, as the SAM CLI does: from the environment, the
    profile of AWS_PROFILE, and the machine's role.
    """
    try:
        session = botocore.session.get_session()
        region = session.get_config_variable("region")
        credentials = session.get_credentials()
    except ProfileNotFound as error:
        raise DeploymentRefused(f"{error}.", "aws configure list-profiles") from None
    except BotoCoreError as error:
        raise DeploymentRefused(f"AWS's configuration cannot be read: {error}.") from None
    if not region:
        other = os.environ.get("AWS_REGION")
        reason = "The SAM CLI does not read AWS_REGION." if other else "No region is set."
        raise DeploymentRefused(reason, f"export AWS_DEFAULT_REGION={other or 'eu-central-1'}")
    if credentials is None:
        raise DeploymentRefused(
            "No AWS credentials were found.",
            "export AWS_PROFILE=my-profile, after `aws configure sso --profile my-profile`",
        )
    try:
        sts: Any = session.create_client("sts", region_name=region)
        identity = sts.get_caller_identity()
    except ClientError as error:
        raise DeploymentRefused(
            f"AWS refuses the credentials: {error.response['Error']['Message']}", "aws sso login"
        ) from None
    except (SSOError, TokenRetrievalError) as error:
        raise DeploymentRefused(f"The sign-in has expired: {error}", "aws sso login") from None
    except EndpointConnectionError as error:
        raise DeploymentRefused(f"AWS cannot be reached: {error} Check the network.") from None
    except BotoCoreError as error:
        raise DeploymentRefused(f"AWS cannot be asked for the account: {error}") from None
    return Account(identity["Account"], identity["Arn"], region)


def read_stack(name: str) -> DeployedStack:
    """Read a stack. Its status is empty if the stack does not exist. Raises DeploymentRefused."""
    try:
        described = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        message = error.response["Error"]["Message"]
        if "does not exist" in message:
            return DeployedStack()
        raise DeploymentRefused(f"The stack {name} cannot be read: {message}") from None
    return DeployedStack(
        described["StackStatus"],
        _pairs(described.get("Parameters", []), "Parameter"),
        _pairs(described.get("Outputs", []), "Output"),
    )


def check_stack(name: str, stack: DeployedStack) -> None:
    """Require a state that CloudFormation can update. Raises DeploymentRefused."""
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise DeploymentRefused(
            f"The stack {name} is {stack.status}. Wait for the end.",
            f"aws cloudformation describe-stack-events --stack-name {name}",
        )
    if stack.status in _UNUSABLE:
        raise DeploymentRefused(
            f"The stack {name} is {stack.status} and cannot be updated.",
            f"aws cloudformation delete-stack --stack-name {name}",
        )
    if stack.status == _CONTINUABLE:
        raise DeploymentRefused(
            f"The stack {name} is {stack.status}.",
            f"aws cloudformation continue-update-rollback --stack-name {name}",
        )


def _pairs(items: list[Any], kind: str) -> dict[str, str]:
    return {item[f"{kind}Key"]: item[f"{kind}Value"] for item in items}
