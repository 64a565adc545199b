"""Workflow state CompleteJob: charge for the delivered outputs and announce the end of the job."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.aws.step_functions import JobKey, key_of_event
from darkroom.observability import logger, metrics
from darkroom.services.finish_job import finish_step
from darkroom.tracing import tracer


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: JobKey, context: LambdaContext) -> None:
    """Settle the job from its record."""
    finish_step(*key_of_event(event), now=clock.now())
