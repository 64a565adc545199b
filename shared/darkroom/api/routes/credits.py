"""Routes of the caller's balance and ledger entries."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.openapi import SIGNED_IN, problems, response
from darkroom.api.paging import PAGE_SIZE, Cursor, Limit
from darkroom.api.responses import json_response
from darkroom.domain import errors
from darkroom.schemas.account_responses import BalanceResponse, EntryPageResponse
from darkroom.schemas.views import balance_response, entry_page_response
from darkroom.storage import grants, ledger

routes = Routes()


@routes.get(
    "/credits",
    operation_id="read_credits",
    summary="Read your balance",
    description="Returns the balance of the caller's account.",
    tags=["credits"],
    responses={
        200: response("The balance.", BalanceResponse),
        **problems(*SIGNED_IN),
    },
)
def read_credits() -> Response[str]:
    """Return the caller's balance."""
    account = routes.user().account
    grants.welcome(account, now=clock.now())
    return json_response(HTTPStatus.OK, balance_response(ledger.balance(account)))


@routes.get(
    "/credits/entries",
    operation_id="list_entries",
    summary="List your ledger entries",
    description="Lists the ledger entries of the caller's account, newest first.",
    tags=["credits"],
    responses={
        200: response("A page of ledger entries.", EntryPageResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest),
    },
)
def list_entries(limit: Limit = PAGE_SIZE, cursor: Cursor = None) -> Response[str]:
    """List the caller's ledger entries, newest first."""
    account = routes.user().account
    grants.welcome(account, now=clock.now())
    return json_response(
        HTTPStatus.OK, entry_page_response(ledger.entries(account, limit=limit, cursor=cursor))
    )
