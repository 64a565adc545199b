"""Workflow state RefundJob: refund the undelivered outputs and announce the end of the job."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.aws.step_functions import FailedStep, RefundResult, key_of_event
from darkroom.observability import logger, metrics
from darkroom.services.finish_job import finish_step
from darkroom.tracing import tracer


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: FailedStep, context: LambdaContext) -> RefundResult:
    """Settle the job from its record, and cancel its running predictions."""
    job = finish_step(*key_of_event(event), error_name=event["failure"], now=clock.now())
    return {"fault": job is not None and job.is_fault}
