"""Routes for members of the group admin."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.auth import account_in_path
from darkroom.api.openapi import JSON_BODY, SIGNED_IN, problems, response
from darkroom.api.paging import PAGE_SIZE, Cursor, Limit
from darkroom.api.responses import json_response
from darkroom.domain import errors
from darkroom.domain.accounts import NAME_BYTES_MAX
from darkroom.observability import logger
from darkroom.schemas.account_responses import BalanceResponse, EntryPageResponse, EntryResponse
from darkroom.schemas.requests import GrantRequest, PauseRequest
from darkroom.schemas.service_responses import PausedResponse
from darkroom.schemas.views import balance_response, entry_page_response, entry_response
from darkroom.storage import feature_flags, grants, ledger

routes = Routes()

Platform = Annotated[
    str,
    Path(
        description="The platform of the account. The deployment configures the platforms.",
        json_schema_extra={"examples": ["web"]},
    ),
]
Sub = Annotated[
    str,
    Path(
        description=(
            f"The `sub` of the user's token, at most {NAME_BYTES_MAX} bytes. Percent-encode "
            "a `sub` with a slash, a question mark or a percent sign twice."
        ),
        json_schema_extra={"minLength": 1, "pattern": "^[^/]+$"},
    ),
]


@routes.post(
    "/accounts/<platform>/<user>/credits",
    operation_id="grant_credits",
    summary="Grant credits to an account",
    description=(
        "Adds credits to an account, or corrects its balance by a negative amount. Each "
        "`reference` is granted once: a repeated request returns the first entry."
    ),
    tags=["administration"],
    responses={
        200: response("The reference was granted before. This is its entry.", EntryResponse),
        201: response("The credits are granted.", EntryResponse),
        **problems(*SIGNED_IN, *JSON_BODY, errors.NotFound),
    },
)
def grant_credits(
    platform: Platform, user: Sub, request: Annotated[GrantRequest, Body()]
) -> Response[str]:
    """Grant or correct credits, once for each reference."""
    administrator = routes.user()
    administrator.require_admin()
    account = account_in_path(platform, user)
    entry, repeated = grants.grant(
        account, request.amount, reason=request.reason, reference=request.reference, now=clock.now()
    )
    logger.info(
        "credits granted",
        account=str(account),
        credits=request.amount,
        by=str(administrator.account),
        repeated=repeated,
    )
    return json_response(HTTPStatus.OK if repeated else HTTPStatus.CREATED, entry_response(entry))


@routes.get(
    "/accounts/<platform>/<user>",
    operation_id="read_account",
    summary="Read the balance of an account",
    description="Returns the balance of any account.",
    tags=["administration"],
    responses={
        200: response("The balance.", BalanceResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest, errors.NotFound),
    },
)
def read_account(platform: Platform, user: Sub) -> Response[str]:
    """Return the balance of an account."""
    routes.user().require_admin()
    return json_response(
        HTTPStatus.OK, balance_response(ledger.balance(account_in_path(platform, user)))
    )


@routes.get(
    "/accounts/<platform>/<user>/entries",
    operation_id="list_account_entries",
    summary="List the ledger entries of an account",
    description="Lists the ledger entries of any account, newest first.",
    tags=["administration"],
    responses={
        200: response("A page of ledger entries.", EntryPageResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest, errors.NotFound),
    },
)
def list_account_entries(
    platform: Platform, user: Sub, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Response[str]:
    """List the ledger entries of an account, newest first."""
    routes.user().require_admin()
    return json_response(
        HTTPStatus.OK,
        entry_page_response(
            ledger.entries(account_in_path(platform, user), limit=limit, cursor=cursor)
        ),
    )


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
    user = routes.user()
    user.require_admin()
    feature_flags.pause(paused=request.paused, by=user.account, now=clock.now())
    logger.warning(
        "new jobs are paused" if request.paused else "new jobs are accepted again",
        by=str(user.account),
    )
    return json_response(HTTPStatus.OK, {"paused": request.paused})
