"""HTTP API: check an uploaded image and make it a valid model input."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.api.app import HttpApi
from darkroom.api.routes import complete_upload
from darkroom.observability import logger, metrics
from darkroom.settings import settings
from darkroom.tracing import tracer

app = HttpApi(body_bytes_max=settings().body_bytes_max)
app.include_router(complete_upload.routes)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle one request."""
    return app.resolve(event, context)
