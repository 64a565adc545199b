"""Event source mappings of SQS queues: long polling, batches, partial failures, concurrency.

The queue itself moves messages to its dead-letter queue.
Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.cloudformation.account import REGION, Client, client, role_access_key
from local.cloudformation.resources import Resources
from local.lambda_runtime.concurrency import ExecutionEnvironments, TooManyRequests
from local.lambda_runtime.functions import FunctionSpec, function_name

logger = logging.getLogger(__name__)

# Lambda starts with five pollers, each with one batch at a time.
_POLLERS = 5
_POLL_SECONDS = 2
_BATCH_SIZE_DEFAULT = 10
# The limit of one ReceiveMessage call.
_BATCH_SIZE_MAX = 10


@dataclass(frozen=True)
class QueueMapping:
    """A queue, and the function that gets its messages."""

    queue_arn: str
    queue_url: str
    function: str
    batch_size: int
    reports_failures: bool
    concurrency_max: int


def read_mappings(resources: Resources, sqs: Client) -> list[QueueMapping]:
    """Read the enabled event source mappings.

    Raises ValueError for filters and for sources other than queues.
    """
    mappings = []
    for logical_id, properties in resources.of_type("AWS::Lambda::EventSourceMapping").items():
        source_arn = properties.get("EventSourceArn", "")
        if ":sqs:" not in source_arn or "FilterCriteria" in properties:
            raise ValueError(
                f"{logical_id}: the local stack supports only queues as event sources, without"
                " filters"
            )
        if str(properties.get("Enabled", "true")).lower() == "true":
            mappings.append(
                QueueMapping(
                    queue_arn=source_arn,
                    queue_url=sqs.get_queue_url(QueueName=source_arn.rpartition(":")[2])[
                        "QueueUrl"
                    ],
                    function=function_name(properties["FunctionName"]),
                    batch_size=min(
                        int(properties.get("BatchSize", _BATCH_SIZE_DEFAULT)), _BATCH_SIZE_MAX
                    ),
                    reports_failures="ReportBatchItemFailures"
                    in properties.get("FunctionResponseTypes", []),
                    concurrency_max=int(
                        properties.get("ScalingConfig", {}).get("MaximumConcurrency", _POLLERS)
                    ),
                )
            )
    return mappings


def poller_clients(
    mappings: list[QueueMapping], functions: Mapping[str, FunctionSpec], aws_url: str
) -> dict[str, Client]:
    """Make a client of SQS for each function of a mapping. It signs with the function's role."""
    return {
        name: client("sqs", aws_url, role_access_key(functions[name].role_arn))
        for name in {mapping.function for mapping in mappings}
    }


class Pollers:
    """Threads that pass messages to functions.

    `clients` has a client of SQS for each function, which signs with the function's role. The
    threads of a function share it.
    """

    def __init__(
        self,
        mappings: list[QueueMapping],
        environments: ExecutionEnvironments,
        clients: Mapping[str, Client],
    ) -> None:
        """Prepare the pollers. They poll after `start`."""
        self._mappings = mappings
        self._environments = environments
        self._clients = clients
        self._stopping = Event()

    def start(self) -> None:
        """Start the threads."""
        for mapping in self._mappings:
            for _ in range(min(_POLLERS, mapping.concurrency_max)):
                Thread(target=self._poll, args=(mapping,), daemon=True).start()

    def stop(self) -> None:
        """Stop polling. Each thread ends after its current batch."""
        self._stopping.set()

    def _poll(self, mapping: QueueMapping) -> None:
        while not self._stopping.is_set():
            try:
                received = self._clients[mapping.function].receive_message(
                    QueueUrl=mapping.queue_url,
                    MaxNumberOfMessages=mapping.batch_size,
                    WaitTimeSeconds=_POLL_SECONDS,
                    AttributeNames=["All"],
                    MessageAttributeNames=["All"],
                )
                self._process_batch(mapping, received.get("Messages", []))
            except (BotoCoreError, ClientError) as error:
                if not self._stopping.wait(1):
                    logger.warning("polling %s failed: %s", mapping.queue_url, error)

    def _process_batch(self, mapping: QueueMapping, messages: list[dict[str, Any]]) -> None:
        """Invoke the function with a batch, and delete the messages that it processed.

        The other messages are visible again after their visibility time-out, which the function may
        have changed.
        """
        if not messages:
            return
        event = {"Records": [_record(message, mapping.queue_arn) for message in messages]}
        try:
            response = self._environments.invoke(mapping.function, json.dumps(event).encode())
        except TooManyRequests:
            return
        if response.failed:
            if not self._stopping.is_set():
                logger.warning("%s failed: %s", mapping.function, response.payload.decode())
            return
        failed = (
            failed_ids(response.payload, {message["MessageId"] for message in messages})
            if mapping.reports_failures
            else set()
        )
        for message in messages:
            if message["MessageId"] not in failed:
                self._clients[mapping.function].delete_message(
                    QueueUrl=mapping.queue_url, ReceiptHandle=message["ReceiptHandle"]
                )


def failed_ids(payload: bytes, ids: set[str]) -> set[str]:
    """Return the ids of the failed messages from a partial batch response.

    Returns all ids if the response is invalid, because Lambda then retries the whole batch.
    """
    response = json.loads(payload or b"null")
    if not response or response.get("batchItemFailures") in (None, []):
        return set()
    try:
        failed = {str(item["itemIdentifier"]) for item in response["batchItemFailures"]}
    except (KeyError, TypeError):
        return ids
    return ids if failed - ids else failed


def _record(message: dict[str, Any], queue_arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _message_attribute(value)
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _message_attribute(value: dict[str, Any]) -> dict[str, Any]:
    """Rename the fields: StringValue in the API is stringValue in the event."""
    return {
        "stringListValues": [],
        "binaryListValues": [],
        **{name[0].lower() + name[1:]: part for name, part in value.items()},
    }
