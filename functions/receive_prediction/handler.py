"""Replicate's webhook: verify the signature, record the status and resume the workflow."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.api.app import HttpApi
from darkroom.api.routes import replicate_webhook
from darkroom.observability import logger, metrics
from darkroom.settings import settings
from darkroom.tracing import tracer

app = HttpApi(body_bytes_max=settings().webhook_body_bytes_max)
app.include_router(replicate_webhook.routes)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle one webhook."""
    return app.resolve(event, context)
