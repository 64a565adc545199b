"""Every day: recompute each account from its entries and jobs and report each mismatch."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.observability import logger, metrics
from darkroom.services.audit_accounts import audit_accounts
from darkroom.tracing import tracer


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Audit accounts until the time is over."""
    audit_accounts(context.get_remaining_time_in_millis)
