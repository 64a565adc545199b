"""Routes of administrators about the jobs of all accounts."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from darkroom import clock
from darkroom.api.app import Routes, log_act
from darkroom.api.openapi import SIGNED_IN, problems, response
from darkroom.api.paging import PAGE_SIZE, AdminCursor, Limit
from darkroom.api.responses import json_response
from darkroom.domain import errors
from darkroom.schemas.admin_responses import AdminJobPageResponse, AdminJobResponse
from darkroom.schemas.admin_views import admin_job_page_response, admin_job_response
from darkroom.schemas.job_response import delivery_responses
from darkroom.services.resend_callback import resend
from darkroom.storage import deliveries, job_lookup

routes = Routes()

AnyJobId = Annotated[str, Path(description="The `id` of a job of any account.")]
OpenStatus = Annotated[
    Literal["open"], Query(description="`open` lists the pending and the processing jobs.")
]


@routes.get(
    "/admin/jobs",
    operation_id="list_open_jobs",
    summary="List the open jobs of all accounts",
    description=(
        "Lists the open jobs, in the order in which recovery checks them: a job that is stuck is "
        "among the first. A job moves in this order, so it may be on two pages or on none."
    ),
    tags=["administration"],
    responses={
        200: response("A page of open jobs.", AdminJobPageResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest),
    },
)
def list_open_jobs(
    status: OpenStatus = "open", limit: Limit = PAGE_SIZE, cursor: AdminCursor = None
) -> Response[str]:
    """List the open jobs of all accounts."""
    administrator = routes.administrator()
    page, now = job_lookup.open_page(limit=limit, cursor=cursor), clock.now()
    log_act("jobs listed", administrator, status=status, jobs=len(page.items))
    return json_response(HTTPStatus.OK, admin_job_page_response(page, now=now))


@routes.get(
    "/admin/jobs/<job_id>",
    operation_id="read_any_job",
    summary="Read a job of any account",
    description=(
        "Finds a job by its id alone. A new job is found after about a second. The `account` of "
        "the response is the job's owner."
    ),
    tags=["administration"],
    responses={
        200: response("The job.", AdminJobResponse),
        **problems(*SIGNED_IN, errors.NotFound),
    },
)
def read_any_job(job_id: AnyJobId) -> Response[str]:
    """Return a job of any account."""
    administrator = routes.administrator()
    job, now = job_lookup.read_any(job_id), clock.now()
    log_act("job read", administrator, job_id=job_id, account=str(job.account))
    body = admin_job_response(job, now=now)
    body["deliveries"] = delivery_responses(deliveries.of_job(job_id))
    return json_response(HTTPStatus.OK, body)


@routes.post(
    "/admin/jobs/<job_id>/callback",
    operation_id="repeat_any_callback",
    summary="Send the callback of a job of any account again",
    description=(
        "Sends the event of an ended job to its `callback_url` again, with the same `webhook-id` "
        "as before. The request counts against the limit of the job's account."
    ),
    tags=["administration"],
    responses={
        202: response("The callback is in the queue.", AdminJobResponse),
        **problems(
            *SIGNED_IN,
            errors.NotFound,
            errors.JobIsOpen,
            errors.NoCallbackUrl,
            errors.TooManyRequests,
        ),
    },
)
def repeat_any_callback(job_id: AnyJobId) -> Response[str]:
    """Put the callback of a job of any account into the queue again."""
    administrator = routes.administrator()
    account, now = job_lookup.read_any(job_id).account, clock.now()
    job = resend(account, job_id, now=now)
    log_act("callback repeated", administrator, job_id=job_id, account=str(account))
    return json_response(HTTPStatus.ACCEPTED, admin_job_response(job, now=now))
