"""Callback queue: send the signed event of an ended job to its callback URL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities import batch
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.observability import logger, metrics
from darkroom.services.deliver_callback import Message, deliver
from darkroom.tracing import tracer

_processor = batch.BatchProcessor(batch.EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Deliver each message. A failed message stays in the queue for a retry."""
    return batch.process_partial_response(event, _notify, _processor, context)


def _notify(record: SQSRecord) -> None:
    detail, received = json.loads(record.body)["detail"], record.attributes
    message = Message(
        AccountId.parse(detail["account"]),
        detail["job_id"],
        record.receipt_handle,
        datetime.fromtimestamp(int(received.sent_timestamp) / 1000, UTC),
        int(received.approximate_receive_count),
    )
    deliver(message, now=clock.now())
