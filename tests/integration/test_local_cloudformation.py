"""The local AWS describes the running stack, and moves dead letters back, as AWS does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.wrappers import Request

from local.cloudformation.account import client
from local.cloudformation.aws_endpoint import LocalAws
from local.cloudformation.described_stack import DescribedStack


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    running = LocalAws(0)
    running.start()
    yield running
    running.stop()


def test_the_stack_is_described_with_outputs_parameters_and_resources(aws: LocalAws) -> None:
    outputs, parameters = {"ApiUrl": "http://a?b=1&c=<2>"}, {"PublicUrl": "none"}
    aws.describe(DescribedStack("darkroom", outputs, parameters, {"Table": "darkroom-Table"}))
    cloudformation = client("cloudformation", aws.url)

    (stack,) = cloudformation.describe_stacks(StackName="darkroom")["Stacks"]
    listed = cloudformation.list_stack_resources(StackName="darkroom")["StackResourceSummaries"]

    assert {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]} == outputs
    assert {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]} == (
        parameters
    )
    assert [(each["LogicalResourceId"], each["PhysicalResourceId"]) for each in listed] == [
        ("Table", "darkroom-Table")
    ]


@pytest.mark.parametrize(
    "form",
    [
        {"Action": "DescribeStacks", "StackName": "other"},
        {"Action": "DescribeStacks"},
        {"Action": "DeleteStack", "StackName": "darkroom"},
    ],
)
def test_other_requests_are_left_to_moto(form: dict[str, str]) -> None:
    stack = DescribedStack("darkroom", {}, {}, {})

    assert stack.respond(Request.from_values(method="POST", data=form)) is None


def queues(sqs: Any) -> tuple[str, str, str]:
    """Create a queue and its dead-letter queue. Returns both URLs and the second one's ARN."""
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    source = sqs.create_queue(QueueName="source", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    return source, dead, arn


def test_dead_letters_are_moved_to_their_source_and_count_as_never_received(
    aws: LocalAws,
) -> None:
    sqs = client("sqs", aws.url)
    source, dead, arn = queues(sqs)
    sqs.send_message(QueueUrl=source, MessageBody="refused")
    for _ in range(2):
        sqs.receive_message(QueueUrl=source, VisibilityTimeout=0)
    assert sqs.receive_message(QueueUrl=dead, VisibilityTimeout=0)["Messages"]

    sqs.start_message_move_task(SourceArn=arn)

    assert "Messages" not in sqs.receive_message(QueueUrl=dead)
    received = sqs.receive_message(QueueUrl=source, AttributeNames=["All"])["Messages"]
    counts = [(each["Body"], each["Attributes"]["ApproximateReceiveCount"]) for each in received]
    assert counts == [("refused", "1")]


def test_a_queue_without_a_source_has_no_dead_letters(aws: LocalAws) -> None:
    sqs = client("sqs", aws.url)
    url = sqs.create_queue(QueueName="alone")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]

    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.start_message_move_task(SourceArn=arn["QueueArn"])
