"""A simulated Replicate whose models a test changes, and the topic of the alarms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from darkroom.observability import metrics
from local.simulators.replicate import SimulatedReplicate
from tests.aws import client
from tests.integration.steps import with_setting

type Change = Callable[..., None]
type Notifications = Callable[[], list[dict[str, str]]]


@pytest.fixture
def change(simulated_replicate: SimulatedReplicate) -> Change:
    """Replaces the changes of models: `change(name, retired=True)`. Without a name: no changes."""

    def replace_changes(name: str = "", **members: Any) -> None:
        requests.put(
            f"{simulated_replicate.base_url}/sim/models",
            json={name: members} if name else {},
            timeout=5,
        ).raise_for_status()

    return replace_changes


@pytest.fixture
def notifications(aws: None, monkeypatch: pytest.MonkeyPatch) -> Notifications:
    """Returns the messages that the topic of the alarms has got since the last call."""
    topic_arn = client("sns").create_topic(Name="alarms")["TopicArn"]
    queue_url = client("sqs").create_queue(QueueName="operators")["QueueUrl"]
    queue_arn = client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    client("sns").subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn["Attributes"]["QueueArn"]
    )
    with_setting(monkeypatch, "ALARM_TOPIC_ARN", topic_arn)

    def received() -> list[dict[str, str]]:
        messages = client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        found = messages.get("Messages", [])
        for each in found:
            client("sqs").delete_message(QueueUrl=queue_url, ReceiptHandle=each["ReceiptHandle"])
        return [json.loads(each["Body"]) for each in found]

    return received


@pytest.fixture(autouse=True)
def no_metrics() -> Iterator[None]:
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()
