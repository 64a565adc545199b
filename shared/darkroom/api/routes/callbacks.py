"""Routes of the caller's callbacks: the signing secret, and a test."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.responses import json_response, returns
from darkroom.observability import logger
from darkroom.schemas import responses
from darkroom.schemas.requests import CallbackTestRequest
from darkroom.services import callbacks

routes = Routes()


@routes.get("/callbacks/secret", tags=["callbacks"])
@returns({HTTPStatus.OK: responses.SecretResponse}, headers=("Cache-Control",))
def read_callback_secret() -> Response[str]:
    """Show what the caller's callbacks are signed with."""
    return json_response(
        HTTPStatus.OK,
        callbacks.secrets_of(routes.user().account, now=clock.now()).response,
        {"Cache-Control": "no-store"},
    )


@routes.post("/callbacks/secret/rotate", tags=["callbacks"])
@returns({HTTPStatus.OK: responses.SecretResponse}, headers=("Cache-Control",))
def rotate_callback_secret() -> Response[str]:
    """Sign callbacks with a new secret. For a day, or until the next rotation, they are signed with the previous one as well."""
    account = routes.user().account
    secrets = callbacks.rotate(account, now=clock.now())
    logger.info("callback secret rotated", account=str(account))
    return json_response(HTTPStatus.OK, secrets.response, {"Cache-Control": "no-store"})


@routes.post("/callbacks/test", tags=["callbacks"])
@returns({HTTPStatus.OK: responses.DeliveryResponse})
def try_callback(request: Annotated[CallbackTestRequest, Body()]) -> Response[str]:
    """Call a URL as it would be called when a job has ended. The event is signed, of the type callback.test, and about no job."""
    return json_response(
        HTTPStatus.OK,
        callbacks.send_test(routes.user().account, request.callback_url, now=clock.now()),
    )
