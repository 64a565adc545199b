"""The routes of the API that other functions serve, as its description tells of them: no function imports another."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from darkroom.api.responses import RouteResponses
from darkroom.domain import errors
from darkroom.schemas.responses import NotedResponse, UploadResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A route as the description tells of it. Parameters and bodies are in OpenAPI's words."""

    method: str
    path: str
    name: str
    text: str
    tag: str
    responses: RouteResponses
    parameters: tuple[dict[str, Any], ...] = ()
    request_body: dict[str, Any] | None = None


_PREDICTION = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string"},
        "webhook": {"type": ["string", "null"]},
    },
    "required": ["id", "status"],
}

ROUTES_OF_OTHER_FUNCTIONS = (
    Operation(
        method="post",
        path="/uploads/{upload_id}/complete",
        name="complete_upload",
        text="Make the image that was sent fit to be an input. Completing again gives the same answer.",
        tag="uploads",
        parameters=(
            {"name": "upload_id", "in": "path", "required": True, "schema": {"type": "string"}},
        ),
        responses=RouteResponses(
            {HTTPStatus.OK: UploadResponse}, problems=(errors.InvalidRequest, errors.NotFound)
        ),
    ),
    Operation(
        method="post",
        path="/webhooks/replicate",
        name="receive_prediction",
        text="Verify the webhook, record what it says, and resume the workflow.",
        tag="provider",
        parameters=(
            {
                "name": "job",
                "in": "query",
                "required": True,
                "description": "The reference that the webhook's URL was given.",
                "schema": {"type": "string"},
            },
            *(
                {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
                for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
            ),
        ),
        request_body={"required": True, "content": {"application/json": {"schema": _PREDICTION}}},
        responses=RouteResponses(
            {HTTPStatus.OK: NotedResponse},
            problems=(errors.WebhookRejected, errors.WebhookSecretMissing, errors.NotFound),
            is_public=True,
        ),
    ),
)
