"""Routes of the caller's balance and ledger."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.paging import PAGE_SIZE, Cursor, Limit
from darkroom.api.responses import json_response, returns
from darkroom.schemas import responses
from darkroom.schemas.views import balance_response, entry_page_response
from darkroom.storage import ledger

routes = Routes()


@routes.get("/credits", tags=["credits"])
@returns({HTTPStatus.OK: responses.BalanceResponse})
def read_credits() -> Response[str]:
    """Show the caller's balance."""
    account = routes.user().account
    ledger.welcome(account, now=clock.now())
    return json_response(HTTPStatus.OK, balance_response(ledger.balance(account)))


@routes.get("/credits/entries", tags=["credits"])
@returns({HTTPStatus.OK: responses.EntryPageResponse})
def list_entries(limit: Limit = PAGE_SIZE, cursor: Cursor = None) -> Response[str]:
    """List the caller's ledger entries, newest first."""
    account = routes.user().account
    ledger.welcome(account, now=clock.now())
    return json_response(
        HTTPStatus.OK, entry_page_response(ledger.entries(account, limit=limit, cursor=cursor))
    )
