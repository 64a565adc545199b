"""Every day: compare each template with its provider's model and report each difference."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.observability import logger, metrics
from darkroom.services.check_catalog import check_catalog
from darkroom.tracing import tracer


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Compare the available templates."""
    check_catalog(now=clock.now())
