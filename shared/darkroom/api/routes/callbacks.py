"""Routes of the caller's callbacks: the signing secret, its rotation, and a test."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.openapi import JSON_BODY, SIGNED_IN, problems, response
from darkroom.api.responses import json_response
from darkroom.domain import errors
from darkroom.observability import logger
from darkroom.schemas.account_responses import DeliveryResponse, SecretResponse
from darkroom.schemas.requests import CallbackTestRequest
from darkroom.services import callbacks

routes = Routes()


@routes.get(
    "/callbacks/secret",
    operation_id="read_callback_secret",
    summary="Read your signing secret",
    description="Returns the secret that signs the callbacks of the caller's account.",
    tags=["callbacks"],
    responses={
        200: response("The secret.", SecretResponse, headers=("Cache-Control",)),
        **problems(*SIGNED_IN),
    },
)
def read_callback_secret() -> Response[str]:
    """Return the secret that signs the caller's callbacks."""
    return json_response(
        HTTPStatus.OK,
        callbacks.secrets_of(routes.user().account, now=clock.now()).response,
        {"Cache-Control": "no-store"},
    )


@routes.post(
    "/callbacks/secret/rotate",
    operation_id="rotate_callback_secret",
    summary="Rotate your signing secret",
    description=(
        "Creates a new secret. Until `previous_until`, or until the next rotation, the previous "
        "secret signs each callback too."
    ),
    tags=["callbacks"],
    responses={
        200: response("The new secret.", SecretResponse, headers=("Cache-Control",)),
        **problems(*SIGNED_IN),
    },
)
def rotate_callback_secret() -> Response[str]:
    """Create a new signing secret. The previous secret also signs until `previous_until`."""
    account = routes.user().account
    secrets = callbacks.rotate(account, now=clock.now())
    logger.info("callback secret rotated", account=str(account))
    return json_response(HTTPStatus.OK, secrets.response, {"Cache-Control": "no-store"})


@routes.post(
    "/callbacks/test",
    operation_id="try_callback",
    summary="Send a test callback",
    description=(
        "Sends a signed event of the type `callback.test` to the URL, as for a job that has "
        "ended. Returns the result. The event belongs to no job. Each account has one test per "
        "minute. An address that is not public counts as an address without a server."
    ),
    tags=["callbacks"],
    responses={
        200: response("The result of the delivery.", DeliveryResponse),
        **problems(*SIGNED_IN, *JSON_BODY, errors.TooManyRequests),
    },
)
def try_callback(request: Annotated[CallbackTestRequest, Body()]) -> Response[str]:
    """Send a signed test event to a URL and return the result."""
    return json_response(
        HTTPStatus.OK,
        callbacks.send_test(routes.user().account, request.callback_url, now=clock.now()),
    )
