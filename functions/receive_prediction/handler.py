"""Replicate's webhook: verify the signature, record the status and resume the workflow."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.api.app import HttpApi
from darkroom.api.responses import json_response
from darkroom.observability import logger, metrics, tracer
from darkroom.services.receive_webhook import receive_webhook
from darkroom.settings import settings

app = HttpApi(body_bytes_max=settings().webhook_body_bytes_max)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle one HTTP request."""
    return app.resolve(event, context)


@app.post("/webhooks/replicate")
def receive_prediction() -> Response[str]:
    """Verify the webhook, record its prediction, and resume the workflow."""
    reference = app.current_event.query_string_parameters.get("job")
    return json_response(
        HTTPStatus.OK,
        {"noted": receive_webhook(reference, app.current_event.headers, app.raw_body())},
    )
