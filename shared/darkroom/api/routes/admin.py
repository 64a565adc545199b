"""The routes of administrators that pause new jobs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from darkroom import clock
from darkroom.api.app import Routes, log_act
from darkroom.api.openapi import JSON_BODY, SIGNED_IN, problems, response
from darkroom.api.responses import json_response
from darkroom.observability import logger
from darkroom.schemas.admin_views import paused_response
from darkroom.schemas.requests import PauseRequest
from darkroom.schemas.service_responses import PausedResponse
from darkroom.storage import feature_flags

routes = Routes()


@routes.get(
    "/admin/paused",
    operation_id="read_pause",
    summary="Show whether new jobs are paused",
    description="Shows whether new jobs are paused, and who changed it last, when and why.",
    tags=["administration"],
    responses={
        200: response("The state.", PausedResponse),
        **problems(*SIGNED_IN),
    },
)
def read_pause() -> Response[str]:
    """Return whether the acceptance of new jobs is paused."""
    administrator = routes.administrator()
    state = feature_flags.pause_state()
    log_act("pause read", administrator)
    return json_response(HTTPStatus.OK, paused_response(state))


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
    state = feature_flags.pause(
        paused=request.paused, by=user.account, now=clock.now(), reason=request.reason
    )
    logger.warning(
        "new jobs are paused" if request.paused else "new jobs are accepted again",
        by=str(user.account),
        reason=request.reason,
    )
    return json_response(HTTPStatus.OK, paused_response(state))
