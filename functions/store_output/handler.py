"""Workflow state StoreOutput: store each output whole, with a thumbnail and previews."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.aws.step_functions import JobKey, key_of_event
from darkroom.observability import logger, metrics
from darkroom.services.store_output import store_output
from darkroom.tracing import tracer


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: JobKey, context: LambdaContext) -> None:
    """Store the outputs of the job's prediction."""
    store_output(*key_of_event(event))
