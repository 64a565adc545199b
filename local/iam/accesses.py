"""What a call of AWS needs from IAM.

A call is an operation with its parameters, as boto3 names them. A role that may not do everything
that a call needs gets an error. Source: Service Authorization Reference, one page per service.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.cloudformation.account import PARTITION, arn
from local.iam.dynamodb_accesses import PartitionKey, dynamodb_accesses
from local.iam.policies import Access

type Parameters = Mapping[str, Any]

# For an operation whose resource is not known here. Only a statement for every resource matches.
EVERY_RESOURCE = "*"
_STATE_MACHINE_PARTS = 7
_BATCHES = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
_OBJECT_ACTIONS = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
_LISTS = {"HeadBucket", "ListObjects", "ListObjectsV2"}


@dataclass(frozen=True)
class Account:
    """What the resources of an account are, as far as a call does not name them.

    A task token does not name its state machine, so a role needs the permission for each of
    `state_machines`.
    """

    partition_key: PartitionKey
    state_machines: Sequence[str]


def accesses_of(
    service: str, operation: str, parameters: Parameters, account: Account
) -> Iterator[Access]:
    """Yield the accesses that a call needs. `service` is the service's prefix in policies."""
    if service == "dynamodb":
        yield from dynamodb_accesses(operation, parameters, account.partition_key)
    elif service == "states":
        yield from _states(operation, parameters, account)
    elif found := _SERVICES.get(service):
        yield from found(operation, parameters)
    else:
        yield Access(f"{service}:{operation}", EVERY_RESOURCE)


def object_arn(bucket: str, key: str) -> str:
    """Return the ARN of an object."""
    return f"arn:{PARTITION}:s3:::{bucket}/{key}"


def _s3(operation: str, parameters: Parameters) -> Iterator[Access]:
    bucket = parameters.get("Bucket", "")
    if operation == "DeleteObjects":
        for each in parameters["Delete"]["Objects"]:
            yield _of_object("DeleteObject", bucket, each["Key"])
    elif operation == "CopyObject":
        source_bucket, _, source_key = parameters["CopySource"].lstrip("/").partition("/")
        yield _of_object("GetObject", source_bucket, source_key)
        yield _of_object("PutObject", bucket, parameters["Key"])
    elif "Key" in parameters:
        action = _OBJECT_ACTIONS.get(operation, operation)
        yield _of_object(action, bucket, parameters["Key"])
    else:
        action = "ListBucket" if operation in _LISTS else operation
        prefix = {"s3:prefix": (parameters["Prefix"],)} if "Prefix" in parameters else {}
        resource = f"arn:{PARTITION}:s3:::{bucket}" if bucket else EVERY_RESOURCE
        yield Access(f"s3:{action}", resource, _OVER_TLS | prefix)


def _of_object(action: str, bucket: str, key: str) -> Access:
    return Access(f"s3:{action}", object_arn(bucket, key), _OVER_TLS)


# The AWS port stands for HTTPS, although it speaks HTTP.
_OVER_TLS = {"aws:securetransport": ("true",)}


def _states(operation: str, parameters: Parameters, account: Account) -> Iterator[Access]:
    action = f"states:{operation}"
    if operation.startswith("SendTask"):
        yield from (Access(action, machine) for machine in account.state_machines)
    elif "executionArn" in parameters:
        yield Access(action, parameters["executionArn"])
    elif "stateMachineArn" in parameters:
        # IAM compares the ARN without version and alias (Step Functions Developer Guide,
        # "Authorization for versions and aliases").
        parts = parameters["stateMachineArn"].split(":")
        context = {"states:statemachinequalifier": tuple(parts[_STATE_MACHINE_PARTS:])}
        yield Access(
            action,
            ":".join(parts[:_STATE_MACHINE_PARTS]),
            {key: value for key, value in context.items() if value},
        )
    else:
        yield Access(action, EVERY_RESOURCE)


def _secrets_manager(operation: str, parameters: Parameters) -> Iterator[Access]:
    secret = parameters.get("SecretId")
    yield Access(
        f"secretsmanager:{operation}",
        EVERY_RESOURCE if secret is None else _whole_arn("secretsmanager", "secret:", secret),
    )


def _events(operation: str, parameters: Parameters) -> Iterator[Access]:
    if operation != "PutEvents":
        yield Access(f"events:{operation}", EVERY_RESOURCE)
        return
    for entry in parameters["Entries"]:
        bus = entry.get("EventBusName", "default")
        yield Access("events:PutEvents", _whole_arn("events", "event-bus/", bus))


def _sns(operation: str, parameters: Parameters) -> Iterator[Access]:
    yield Access(f"sns:{operation}", parameters.get("TopicArn", EVERY_RESOURCE))


def _sqs(operation: str, parameters: Parameters) -> Iterator[Access]:
    name = parameters.get("QueueName") or parameters.get("QueueUrl", "").rpartition("/")[2]
    yield Access(
        f"sqs:{_BATCHES.get(operation, operation)}", arn("sqs", name) if name else EVERY_RESOURCE
    )


def _lambda(operation: str, parameters: Parameters) -> Iterator[Access]:
    action = "InvokeFunction" if operation == "Invoke" else operation
    function = _whole_arn("lambda", "function:", parameters["FunctionName"])
    qualifier = parameters.get("Qualifier")
    yield Access(f"lambda:{action}", f"{function}:{qualifier}" if qualifier else function)


def _cognito(operation: str, parameters: Parameters) -> Iterator[Access]:
    pool = parameters.get("UserPoolId")
    resource = arn("cognito-idp", f"userpool/{pool}") if pool else EVERY_RESOURCE
    yield Access(f"cognito-idp:{operation}", resource)


def _whole_arn(service: str, prefix: str, name: str) -> str:
    """Return an ARN as it is, and complete a name or the last part of an ARN."""
    if name.startswith("arn:"):
        return name
    return arn(service, prefix + name.rpartition(prefix)[2])


_SERVICES: Mapping[str, Callable[[str, Parameters], Iterator[Access]]] = {
    "cognito-idp": _cognito,
    "events": _events,
    "lambda": _lambda,
    "s3": _s3,
    "secretsmanager": _secrets_manager,
    "sns": _sns,
    "sqs": _sqs,
}
