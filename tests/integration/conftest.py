"""Fixtures that record resumed executions and announced events."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from darkroom.aws import clients as aws_adapter
from tests.aws import client


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the task tokens that Darkroom sends to Step Functions."""
    tokens: list[str] = []

    def send_task_success(*, taskToken: str, output: str) -> None:  # noqa: N803 (AWS's own name)
        assert output == "{}"
        tokens.append(taskToken)

    monkeypatch.setattr(aws_adapter.client("stepfunctions"), "send_task_success", send_task_success)
    return tokens


@pytest.fixture
def announced() -> Callable[[], list[dict[str, Any]]]:
    """Return a function that lists all events sent to the bus so far, oldest first."""
    queue = client("sqs").create_queue(QueueName="announced")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])[
        "Attributes"
    ]["QueueArn"]
    bus = os.environ["EVENT_BUS_NAME"]
    client("events").put_rule(
        Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["darkroom"]})
    )
    client("events").put_targets(
        Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}]
    )
    events: list[dict[str, Any]] = []

    def receive() -> list[dict[str, Any]]:
        while (
            messages := client("sqs")
            .receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            .get("Messages")
        ):
            for message in messages:
                events.append(json.loads(message["Body"]))
                client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return events

    return receive
