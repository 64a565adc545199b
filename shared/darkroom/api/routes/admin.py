"""Routes for members of the group admin."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.auth import account_in_path
from darkroom.api.paging import PAGE_SIZE, Cursor, Limit
from darkroom.api.responses import json_response, returns
from darkroom.domain import errors
from darkroom.observability import logger
from darkroom.schemas import responses
from darkroom.schemas.requests import GrantRequest, PauseRequest
from darkroom.schemas.views import balance_response, entry_page_response, entry_response
from darkroom.storage import feature_flags, ledger

routes = Routes()


@routes.post("/accounts/<platform>/<user>/credits", tags=["administration"])
@returns(
    {HTTPStatus.CREATED: responses.EntryResponse, HTTPStatus.OK: responses.EntryResponse},
    problems=(errors.NotFound,),
)
def grant_credits(
    platform: str, user: str, request: Annotated[GrantRequest, Body()]
) -> Response[str]:
    """Grant credits to an account, or correct them, once for each reference."""
    routes.user().require_admin()
    account = account_in_path(platform, user)
    entry, repeated = ledger.grant(
        account, request.amount, reason=request.reason, reference=request.reference, now=clock.now()
    )
    logger.info("credits granted", account=str(account), credits=request.amount, repeated=repeated)
    return json_response(HTTPStatus.OK if repeated else HTTPStatus.CREATED, entry_response(entry))


@routes.get("/accounts/<platform>/<user>", tags=["administration"])
@returns(
    {HTTPStatus.OK: responses.BalanceResponse}, problems=(errors.InvalidRequest, errors.NotFound)
)
def read_account(platform: str, user: str) -> Response[str]:
    """Show an administrator the balance of an account."""
    routes.user().require_admin()
    return json_response(
        HTTPStatus.OK, balance_response(ledger.balance(account_in_path(platform, user)))
    )


@routes.get("/accounts/<platform>/<user>/entries", tags=["administration"])
@returns({HTTPStatus.OK: responses.EntryPageResponse}, problems=(errors.NotFound,))
def list_account_entries(
    platform: str, user: str, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Response[str]:
    """Show an administrator the ledger of an account."""
    routes.user().require_admin()
    return json_response(
        HTTPStatus.OK,
        entry_page_response(
            ledger.entries(account_in_path(platform, user), limit=limit, cursor=cursor)
        ),
    )


@routes.put("/admin/paused", tags=["administration"])
@returns({HTTPStatus.OK: responses.PausedResponse})
def pause(request: Annotated[PauseRequest, Body()]) -> Response[str]:
    """Take no jobs from now on, or take them again."""
    user = routes.user()
    user.require_admin()
    feature_flags.pause(paused=request.paused, by=user.account, now=clock.now())
    logger.warning(
        "jobs are paused" if request.paused else "jobs are taken again", by=str(user.account)
    )
    return json_response(HTTPStatus.OK, {"paused": request.paused})
