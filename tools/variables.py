"""Print the names of a stack's resources, as commands that set shell variables.

    eval "$(python -m tools.variables [STACK])"

Without a stack, the command reads the local stack that `make run` started, and also prints the
endpoint and the credentials of the local AWS. docs/operations.md uses these variables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from shlex import quote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.cloudformation import account
from tools.stacks import outputs_of, parameter_of

_OUTPUTS = {
    "API": "ApiUrl",
    "TABLE": "TableName",
    "BUCKET": "MediaBucketName",
    "POOL": "UserPoolId",
    "CLIENT": "UserPoolClientId",
    "REPLICATE_TOKEN_SECRET": "ReplicateTokenSecretArn",
    "REPLICATE_WEBHOOK_SECRET": "ReplicateWebhookSecretArn",
}
_RESOURCES = {
    "LOGS": "FunctionLogs",
    "API_LOGS": "ApiLogs",
    "WORKFLOW_LOGS": "WorkflowLogs",
    "WORKFLOW": "Workflow",
    "QUEUE": "CallbackQueue",
    "DEAD_LETTERS": "CallbackDeadLetters",
    "AUDIT": "AuditAccountsFunction",
    "CATALOG_CHECK": "CheckCatalogFunction",
    "RECOVERY": "RecoverJobsFunction",
}


def variables_of(stack: str) -> dict[str, str]:
    """Read the variables of a stack. A resource that the stack does not have is empty.

    Raises ClientError or BotoCoreError if the stack cannot be read.
    """
    outputs = outputs_of(stack)
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources")
    physical_ids = {
        resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
        for page in pages.paginate(StackName=stack)
        for resource in page["StackResourceSummaries"]
    }
    return (
        {"STACK": stack, "REPLICATE_URL": parameter_of(stack, "ReplicateBaseUrl") or ""}
        | {name: outputs.get(output, "") for name, output in _OUTPUTS.items()}
        | {name: physical_ids.get(logical_id, "") for name, logical_id in _RESOURCES.items()}
    )


def _local_environment() -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ.get('AWS_PORT', '4566')}",
        "AWS_ACCESS_KEY_ID": account.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": account.SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": account.REGION,
        # A proxy of this machine must not get requests to the machine's own address.
        "NO_PROXY": "127.0.0.1",
    }


def _lines(variables: Mapping[str, str]) -> str:
    return "".join(f"export {name}={quote(value)}\n" for name, value in variables.items())


def main() -> int:
    """Run the command. Returns the exit status."""
    stack = "".join(sys.argv[1:2])
    local = {} if stack else _local_environment()
    os.environ.update(local)
    try:
        variables = variables_of(stack or account.STACK_NAME)
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(
            f"The stack cannot be read: {error}\n"
            "Start the local stack with `make run`, or set STACK to a deployed stack.\n"
        )
        return 1
    sys.stdout.write(_lines(local | variables))
    if local:
        # Version 1 of the AWS CLI ignores AWS_ENDPOINT_URL for SQS.
        sys.stdout.write('aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
