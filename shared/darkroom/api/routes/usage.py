"""The route of the usage report, for administrators."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.openapi import SIGNED_IN, problems, response
from darkroom.api.paging import PAGE_SIZE, Cursor, Limit
from darkroom.api.responses import json_response
from darkroom.domain import errors
from darkroom.domain.usage import DAYS_MAX, day_of
from darkroom.schemas.usage_responses import UsageResponse
from darkroom.schemas.usage_views import account_usage_response, template_spend_response
from darkroom.services.report_usage import days_of_report, is_estimated, spend_of_days
from darkroom.storage.usage import usage_page

routes = Routes()

_DATE = {"format": "date", "examples": ["2026-11-30"]}

From = Annotated[
    str | None,
    Query(
        alias="from",
        max_length=10,
        description=(
            "The first day (UTC), at most "
            f"{DAYS_MAX - 1} days before `to`. Omit it to read the 30 days until `to`."
        ),
        json_schema_extra=_DATE,
    ),
]
To = Annotated[
    str | None,
    Query(
        alias="to",
        max_length=10,
        description="The last day (UTC). Omit it to read until today.",
        json_schema_extra=_DATE,
    ),
]


@routes.get(
    "/admin/usage",
    operation_id="report_usage",
    summary="Report the use of the service",
    description=(
        "Reports the estimated USD of each day and template, and a page of accounts with their "
        "jobs, credits and estimated USD. The numbers of the accounts are those of the daily audit."
    ),
    tags=["administration"],
    responses={
        200: response("The report. `days` is empty on the pages after the first.", UsageResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest),
    },
)
def report_usage(
    from_day: From = None, to_day: To = None, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Response[str]:
    """Report the spend of each day and template, and the use of a page of accounts."""
    routes.user().require_admin()
    first, last = days_of_report(from_day, to_day, today=day_of(clock.now()))
    accounts = usage_page(limit=limit, cursor=cursor)
    days = [] if cursor else spend_of_days(first, last)
    return json_response(
        HTTPStatus.OK,
        {
            "days": [template_spend_response(each, estimated=is_estimated(each)) for each in days],
            "accounts": [
                account_usage_response(each, first=first, last=last) for each in accounts.items
            ],
            "next_cursor": accounts.next_cursor,
        },
    )
