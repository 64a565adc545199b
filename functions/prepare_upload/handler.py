"""HTTP API: check an uploaded image and make it a valid model input."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.api.app import HttpApi
from darkroom.api.auth import current_user
from darkroom.api.responses import json_response
from darkroom.observability import logger, metrics, tracer
from darkroom.schemas.views import upload_response
from darkroom.services.complete_upload import complete
from darkroom.settings import settings

app = HttpApi(body_bytes_max=settings().body_bytes_max)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle one HTTP request."""
    return app.resolve(event, context)


@app.post("/uploads/<upload_id>/complete")
def complete_upload(upload_id: str) -> Response[str]:
    """Convert the uploaded image into a valid model input. The request is idempotent."""
    return json_response(
        HTTPStatus.OK, upload_response(complete(current_user(app.claims()).account, upload_id))
    )
