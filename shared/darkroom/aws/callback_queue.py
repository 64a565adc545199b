"""The SQS queue of callbacks. A rule of the bus sends the events of ended jobs to it."""

from __future__ import annotations

import json

from darkroom.aws.clients import client
from darkroom.aws.event_bus import SOURCE, detail_of
from darkroom.domain.jobs import Job
from darkroom.settings import settings


def send(job: Job) -> None:
    """Put the event of an ended job into the queue, as the rule does.

    Other subscribers of the bus do not receive it.
    """
    event = {"source": SOURCE, "detail-type": f"job.{job.status}", "detail": detail_of(job)}
    client("sqs").send_message(
        QueueUrl=settings().callback_queue_url, MessageBody=json.dumps(event)
    )


def postpone(receipt_handle: str, *, seconds: int) -> None:
    """Hide a received message for some seconds, at most 12 hours after its receive.

    Source: Amazon SQS API Reference, "ChangeMessageVisibility".
    """
    client("sqs").change_message_visibility(
        QueueUrl=settings().callback_queue_url,
        ReceiptHandle=receipt_handle,
        VisibilityTimeout=seconds,
    )
