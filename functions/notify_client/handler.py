"""Callback queue: send the signed event of an ended job to its callback URL."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.utilities import batch
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound
from darkroom.observability import logger, metrics, tracer
from darkroom.services import callbacks
from darkroom.storage import jobs

# A dead callback URL is not an error of this function. Only its message is reported as failed.
_processor = batch.BatchProcessor(batch.EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Send one callback for each message. A failed message stays in the queue for a retry."""
    return batch.process_partial_response(event, _notify, _processor, context)


def _notify(record: SQSRecord) -> None:
    detail = json.loads(record.body)["detail"]
    try:
        job = jobs.read(AccountId.parse(detail["account"]), detail["job_id"])
    except NotFound:
        return
    if job.callback_url:
        callbacks.send(job, now=clock.now())
        logger.info("callback sent", job_id=job.job_id)
