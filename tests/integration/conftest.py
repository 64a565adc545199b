"""Who was resumed, and what was announced."""

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
    """The task tokens that were resumed."""
    tokens: list[str] = []

    def send_task_success(*, taskToken: str, output: str) -> None:  # noqa: N803 (AWS's own name)
        assert output == "{}"
        tokens.append(taskToken)

    monkeypatch.setattr(aws_adapter.client("stepfunctions"), "send_task_success", send_task_success)
    return tokens


@pytest.fixture
def announced() -> Callable[[], list[dict[str, Any]]]:
    """What has come out of the bus so far, oldest first."""
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
    seen: list[dict[str, Any]] = []

    def look() -> list[dict[str, Any]]:
        while (
            messages := client("sqs")
            .receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            .get("Messages")
        ):
            for message in messages:
                seen.append(json.loads(message["Body"]))
                client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return seen

    return look
