"""The route of Replicate's webhook."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from darkroom.api.app import Routes
from darkroom.api.openapi import PUBLIC, SIGNATURE, problems, response
from darkroom.api.responses import json_response
from darkroom.domain import errors
from darkroom.schemas.service_responses import NotedResponse
from darkroom.services.receive_webhook import receive_webhook

routes = Routes()

_PREDICTION = {
    "type": "object",
    "description": "The prediction, as Replicate's API returns it.",
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string"},
        "webhook": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["id", "status"],
}
# Declared parameters would be validated before the signature, and with other responses.
_REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": "job",
            "in": "query",
            "required": True,
            "description": "The reference of the attempt, from the webhook URL of the prediction.",
            "schema": {"type": "string"},
        },
        *SIGNATURE,
    ],
    "requestBody": {"required": True, "content": {"application/json": {"schema": _PREDICTION}}},
}


@routes.post(
    "/webhooks/replicate",
    operation_id="receive_prediction",
    summary="Receive a webhook of Replicate",
    description=(
        "Verifies the signature, records the status of the prediction and resumes the workflow of "
        "the job. Only Replicate calls this route."
    ),
    tags=["provider"],
    openapi_extensions=PUBLIC | _REQUEST,
    responses={
        200: response("The webhook is recorded.", NotedResponse),
        **problems(
            errors.WebhookRejected,
            errors.BodyTooLarge,
            errors.InvalidRequest,
            errors.WebhookSecretMissing,
            errors.NotFound,
        ),
    },
)
def receive_prediction() -> Response[str]:
    """Verify the webhook, record the status and resume the workflow."""
    api = routes.api
    reference = api.current_event.query_string_parameters.get("job")
    return json_response(
        HTTPStatus.OK,
        {"noted": receive_webhook(reference, api.current_event.headers, api.raw_body())},
    )
