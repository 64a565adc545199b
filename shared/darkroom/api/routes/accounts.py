"""Routes of administrators about accounts: credits, entries, the list, suspensions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from darkroom import clock
from darkroom.api.app import Routes, log_act
from darkroom.api.auth import account_in_path
from darkroom.api.openapi import JSON_BODY, SIGNED_IN, problems, response
from darkroom.api.paging import PAGE_SIZE, AdminCursor, Cursor, Limit
from darkroom.api.responses import json_response
from darkroom.domain import errors
from darkroom.domain.accounts import NAME_BYTES_MAX
from darkroom.schemas.account_responses import BalanceResponse
from darkroom.schemas.admin_responses import (
    AccountPageResponse,
    AccountResponse,
    AdminEntryPageResponse,
    AdminEntryResponse,
)
from darkroom.schemas.admin_views import (
    account_page_response,
    account_response,
    admin_entry_page_response,
    admin_entry_response,
)
from darkroom.schemas.requests import GrantRequest, SuspendRequest
from darkroom.schemas.views import balance_response
from darkroom.storage import accounts, grants, ledger

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


_NO_REASON = SuspendRequest()


@routes.get(
    "/accounts",
    operation_id="list_accounts",
    summary="List all accounts",
    description=(
        "Lists every account that has sent a request with a token or that was granted credits, "
        "sorted by platform and user. A new account appears after about a second."
    ),
    tags=["administration"],
    responses={
        200: response("A page of accounts.", AccountPageResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest),
    },
)
def list_accounts(limit: Limit = PAGE_SIZE, cursor: AdminCursor = None) -> Response[str]:
    """List all accounts."""
    administrator = routes.administrator()
    page = accounts.page(limit=limit, cursor=cursor)
    log_act("accounts listed", administrator, accounts=len(page.items))
    return json_response(HTTPStatus.OK, account_page_response(page))


@routes.post(
    "/accounts/<platform>/<user>/suspend",
    operation_id="suspend_account",
    summary="Suspend an account",
    description=(
        "Refuses new jobs of the account (403 `suspended`). Nothing else changes: its open jobs "
        "continue, and its user can read, cancel and delete. A repeated request changes nothing "
        "and returns the first suspension."
    ),
    tags=["administration"],
    responses={
        200: response("The suspended account.", AccountResponse),
        **problems(*SIGNED_IN, *JSON_BODY, errors.NotFound),
    },
)
def suspend_account(
    platform: Platform, user: Sub, request: Annotated[SuspendRequest, Body()] = _NO_REASON
) -> Response[str]:
    """Refuse new jobs of an account."""
    administrator = routes.administrator()
    account = account_in_path(platform, user)
    suspended = accounts.suspend(
        account, by=administrator.account, reason=request.reason, now=clock.now()
    )
    log_act("account suspended", administrator, account=str(account), reason=request.reason)
    return json_response(HTTPStatus.OK, account_response(suspended))


@routes.post(
    "/accounts/<platform>/<user>/resume",
    operation_id="resume_account",
    summary="Resume an account",
    description="Accepts new jobs of the account again. A repeated request changes nothing.",
    tags=["administration"],
    responses={
        200: response("The account.", AccountResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest, errors.NotFound),
    },
)
def resume_account(platform: Platform, user: Sub) -> Response[str]:
    """Accept new jobs of an account again."""
    administrator = routes.administrator()
    account = account_in_path(platform, user)
    resumed = accounts.resume(account)
    log_act("account resumed", administrator, account=str(account))
    return json_response(HTTPStatus.OK, account_response(resumed))


@routes.post(
    "/accounts/<platform>/<user>/credits",
    operation_id="grant_credits",
    summary="Grant credits to an account",
    description=(
        "Adds credits to an account, or corrects its balance by a negative amount. Each "
        "`reference` is granted once: a repeated request returns the first entry. An account that "
        "has never sent a request with a token is not found, unless `create` is true."
    ),
    tags=["administration"],
    responses={
        200: response("The reference was granted before. This is its entry.", AdminEntryResponse),
        201: response("The credits are granted.", AdminEntryResponse),
        **problems(*SIGNED_IN, *JSON_BODY, errors.NotFound),
    },
)
def grant_credits(
    platform: Platform, user: Sub, request: Annotated[GrantRequest, Body()]
) -> Response[str]:
    """Grant or correct credits, once for each reference."""
    administrator = routes.administrator()
    account = account_in_path(platform, user)
    entry, repeated = grants.grant(
        account,
        request.amount,
        reason=request.reason,
        reference=request.reference,
        by=administrator.account,
        create=request.create,
        now=clock.now(),
    )
    log_act(
        "credits granted",
        administrator,
        account=str(account),
        credits=request.amount,
        reference=request.reference,
        repeated=repeated,
    )
    return json_response(
        HTTPStatus.OK if repeated else HTTPStatus.CREATED, admin_entry_response(entry)
    )


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
    administrator = routes.administrator()
    account = account_in_path(platform, user)
    balance = ledger.balance(account)
    log_act("account read", administrator, account=str(account))
    return json_response(HTTPStatus.OK, balance_response(balance))


@routes.get(
    "/accounts/<platform>/<user>/entries",
    operation_id="list_account_entries",
    summary="List the ledger entries of an account",
    description="Lists the ledger entries of any account, newest first.",
    tags=["administration"],
    responses={
        200: response("A page of ledger entries.", AdminEntryPageResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest, errors.NotFound),
    },
)
def list_account_entries(
    platform: Platform, user: Sub, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Response[str]:
    """List the ledger entries of an account, newest first."""
    administrator = routes.administrator()
    account = account_in_path(platform, user)
    page = ledger.entries(account, limit=limit, cursor=cursor)
    log_act("entries read", administrator, account=str(account))
    return json_response(HTTPStatus.OK, admin_entry_page_response(page))
