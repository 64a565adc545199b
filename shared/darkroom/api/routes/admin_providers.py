"""The route about providers, for members of the group admin."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from darkroom import clock
from darkroom.api.app import Routes, log_act
from darkroom.api.openapi import SIGNED_IN, problems, response
from darkroom.api.responses import json_response
from darkroom.schemas.provider_responses import ProvidersResponse
from darkroom.services.describe_providers import describe_providers

routes = Routes()


@routes.get(
    "/admin/providers",
    operation_id="list_providers",
    summary="Show the providers",
    description=(
        "Shows the slots, the queue and the health of each provider. A job waits in the queue "
        "while all slots are in use, while other jobs come first, or while the provider is paused. "
        "Jobs of an unavailable template are refused."
    ),
    tags=["administration"],
    responses={
        200: response("The providers.", ProvidersResponse),
        **problems(*SIGNED_IN),
    },
)
def list_providers() -> Response[str]:
    """Return the providers with their slots, queues and health."""
    administrator = routes.administrator()
    described = describe_providers(now=clock.now())
    log_act("providers read", administrator)
    return json_response(HTTPStatus.OK, described)
