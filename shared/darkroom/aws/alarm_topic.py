"""The SNS topic of the alarms. Sends messages that an alarm cannot send."""

from __future__ import annotations

from darkroom.aws.clients import client
from darkroom.settings import settings

# Source: Publish in the Amazon SNS API Reference. A message may have 256 KiB.
_SUBJECT_CHARACTERS_MAX = 100
_MESSAGE_CHARACTERS_MAX = 60_000


def publish(subject: str, message: str) -> None:
    """Send a message to the topic. Does nothing in a stack without an alarm topic."""
    topic_arn = settings().alarm_topic_arn
    if topic_arn:
        client("sns").publish(
            TopicArn=topic_arn,
            Subject=subject[:_SUBJECT_CHARACTERS_MAX],
            Message=message[:_MESSAGE_CHARACTERS_MAX],
        )
