"""The route of administrators that pauses new jobs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.openapi import JSON_BODY, SIGNED_IN, problems, response
from darkroom.api.responses import json_response
from darkroom.observability import logger
from darkroom.schemas.requests import PauseRequest
from darkroom.schemas.service_responses import PausedResponse
from darkroom.storage import feature_flags

routes = Routes()


@routes.put(
    "/admin/paused",
    operation_id="pause",
    summary="Pause or resume new jobs",
    description=(
        "While new jobs are paused, `POST /jobs` is refused for every account. Jobs that were "
        "accepted before continue."
    ),
    tags=["administration"],
    responses={
        200: response("The new state.", PausedResponse),
        **problems(*SIGNED_IN, *JSON_BODY),
    },
)
def pause(request: Annotated[PauseRequest, Body()]) -> Response[str]:
    """Pause or resume the acceptance of new jobs."""
    user = routes.administrator()
    feature_flags.pause(paused=request.paused, by=user.account, now=clock.now())
    logger.warning(
        "new jobs are paused" if request.paused else "new jobs are accepted again",
        by=str(user.account),
    )
    return json_response(HTTPStatus.OK, {"paused": request.paused})
