"""Every minute: recover jobs, delete expired jobs, and check slots, queues and providers."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.observability import logger, metrics
from darkroom.services.recover_jobs import recover_jobs
from darkroom.tracing import tracer


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Check the jobs that are due until the time is over."""
    recover_jobs(context.get_remaining_time_in_millis)
