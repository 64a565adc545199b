"""HTTP API: refuse a request whose path or method no route has."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.api.unknown_paths import refuse
from darkroom.observability import logger, metrics


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Refuse one request."""
    return refuse(event)
