"""Routes of the caller's jobs: submit, list, read, cancel, delete."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path, Query

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.openapi import JSON_BODY, SIGNED_IN, links, problems, response
from darkroom.api.paging import PAGE_SIZE, Cursor, Limit
from darkroom.api.responses import KnownTags, etag_matches, json_response, not_modified
from darkroom.domain import errors
from darkroom.observability import logger
from darkroom.schemas.job_response import (
    delivery_responses,
    etag_of,
    job_response,
    retry_after,
)
from darkroom.schemas.requests import JobRequest, Statuses, TemplateCode, Time
from darkroom.schemas.responses import JobPageResponse, JobResponse
from darkroom.services.cancel_job import cancel
from darkroom.services.delete_job import delete
from darkroom.services.queue_positions import positions
from darkroom.services.resend_callback import resend
from darkroom.services.submit_job import submit
from darkroom.storage import deliveries, grants, job_lists, jobs, ledger
from darkroom.storage.idempotency import IdempotencyKey
from darkroom.storage.job_lists import JobFilter

routes = Routes()

JobId = Annotated[str, Path(description="The `id` of the job.")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x20-\x7e]{1,255}$",
        description=(
            "1 to 255 printable ASCII characters, for example a UUID. A second request with the "
            "same key and the same body bytes creates no second job: it returns the first job."
        ),
    ),
]
StatusFilter = Annotated[
    Statuses | None,
    Query(
        alias="status",
        description=(
            "List only jobs of this status. Repeat the parameter to name several. A page may then "
            "have fewer items than `limit`, and still have a next page."
        ),
    ),
]
TemplateFilter = Annotated[
    TemplateCode | None, Query(description="List only jobs of the template with this code.")
]
CreatedAfter = Annotated[
    Time | None,
    Query(description="List only jobs that were created at this time or later (ISO 8601)."),
]
CreatedBefore = Annotated[
    Time | None,
    Query(description="List only jobs that were created before this time (ISO 8601)."),
]

Include = Annotated[
    Literal["deliveries"] | None,
    Query(description="`deliveries` adds the tries of the job's callback."),
]

# Powertools' type for an example is a Pydantic model, which no cold start needs.
_EXAMPLES: Any = {
    "job": {
        "summary": "Two images",
        "value": {
            "template": "flux-schnell",
            "parameters": {"prompt": "a lighthouse at dawn", "num_outputs": 2},
        },
    },
}


@routes.post(
    "/jobs",
    operation_id="submit_job",
    summary="Submit a job",
    description=(
        "Holds the credits of the job and accepts it. An accepted job is durable: it runs even if "
        "its workflow cannot be started at once. Send an `Idempotency-Key` and you can repeat the "
        "request after a timeout."
    ),
    tags=["jobs"],
    responses={
        202: response(
            "The job is accepted. `Location` is the path of the job.",
            JobResponse,
            headers=("Location", "Idempotency-Replayed"),
            links=links("job_id", "/id", "read_job", "cancel_job", "delete_job"),
        ),
        **problems(
            *SIGNED_IN,
            *JSON_BODY,
            errors.IdempotencyKeyReused,
            errors.Suspended,
            errors.InsufficientCredits,
            errors.TooManyJobs,
            errors.RateLimited,
            errors.Paused,
            errors.ProviderPaused,
            errors.ModelUnavailable,
            errors.NotFound,
        ),
    },
)
def submit_job(
    request: Annotated[JobRequest, Body(openapi_examples=_EXAMPLES)],
    idempotency_key: Key = None,
) -> Response[str]:
    """Hold the credits and accept the job."""
    account, now = routes.user().account, clock.now()
    grants.welcome(account, now=now)
    key = IdempotencyKey.of(idempotency_key, routes.api.raw_body()) if idempotency_key else None
    accepted = submit(account, request, key=key, now=now)
    headers = {"Location": f"/jobs/{accepted.job.job_id}"}
    if accepted.is_repeat:
        headers["Idempotency-Replayed"] = "true"
    return json_response(HTTPStatus.ACCEPTED, job_response(accepted.job, now=now), headers)


@routes.get(
    "/jobs",
    operation_id="list_jobs",
    summary="List your jobs",
    description=(
        "Lists the jobs of the caller's account, newest first. A job must match every filter. "
        "`total` counts all jobs of the account, whatever the filters are."
    ),
    tags=["jobs"],
    responses={
        200: response("A page of jobs.", JobPageResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest),
    },
)
def list_jobs(  # noqa: PLR0917 (one argument for each query parameter)
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
    statuses: StatusFilter = None,
    template: TemplateFilter = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
) -> Response[str]:
    """List the caller's jobs, newest first."""
    account = routes.user().account
    if created_after and created_before and created_after >= created_before:
        raise errors.InvalidRequest(
            [errors.FieldError("created_before", "Must be later than created_after.")]
        )
    only = JobFilter(
        statuses=tuple(dict.fromkeys(statuses or ())),
        template=template,
        created_after=created_after,
        created_before=created_before,
    )
    page, now = job_lists.page(account, limit=limit, cursor=cursor, only=only), clock.now()
    total, queue = ledger.balance(account).jobs_total, positions(page.items, now=now)
    return json_response(
        HTTPStatus.OK,
        {
            "jobs": [
                job_response(job, now=now, position=queue.get(job.job_id)) for job in page.items
            ],
            "next_cursor": page.next_cursor,
            "total": total,
        },
    )


@routes.get(
    "/jobs/<job_id>",
    operation_id="read_job",
    summary="Read a job",
    description=(
        "Returns one job of the caller's account. Poll an open job after the seconds in "
        "`Retry-After`, and send its `ETag` as `If-None-Match`."
    ),
    tags=["jobs"],
    responses={
        200: response("The job.", JobResponse, headers=("ETag", "Cache-Control", "Retry-After")),
        304: response(
            "The client's copy is current.", headers=("ETag", "Cache-Control", "Retry-After")
        ),
        **problems(*SIGNED_IN, errors.NotFound, errors.InvalidRequest),
    },
)
def read_job(
    job_id: JobId, if_none_match: KnownTags = None, include: Include = None
) -> Response[str]:
    """Return one of the caller's jobs, or a 304."""
    job, now = jobs.read(routes.user().account, job_id), clock.now()
    tries = deliveries.of_job(job_id) if include else []
    headers = {
        "ETag": etag_of(job, now=now, deliveries=tries),
        "Cache-Control": "private, no-cache",
        **retry_after(job, now=now),
    }
    if etag_matches(headers["ETag"], if_none_match):
        return not_modified(headers)
    position = positions([job], now=now).get(job_id)
    body = job_response(job, now=now, position=position)
    if include:
        body["deliveries"] = delivery_responses(tries)
    return json_response(HTTPStatus.OK, body, headers)


@routes.post(
    "/jobs/<job_id>/cancel",
    operation_id="cancel_job",
    summary="Cancel a job",
    description=(
        "Requests that the job ends as canceled. A job whose outputs are already being stored is "
        "completed and charged instead. Read the job until its status is final."
    ),
    tags=["jobs"],
    responses={
        202: response("The cancellation is recorded. The job is still open.", JobResponse),
        **problems(*SIGNED_IN, errors.NotFound, errors.JobIsFinal, errors.TooManyCancels),
    },
)
def cancel_job(job_id: JobId) -> Response[str]:
    """Record the request to cancel a job. The workflow ends the job."""
    now = clock.now()
    job = cancel(routes.user().account, job_id, now=now)
    return json_response(HTTPStatus.ACCEPTED, job_response(job, now=now))


@routes.post(
    "/jobs/<job_id>/callback",
    operation_id="repeat_callback",
    summary="Send a callback again",
    description=(
        "Sends the callback of a job that has ended again, with all its tries and with the same "
        "`webhook-id` as before. `include=deliveries` on the job shows the results."
    ),
    tags=["jobs"],
    responses={
        202: response("The callback is in the queue.", JobResponse),
        **problems(
            *SIGNED_IN,
            errors.NotFound,
            errors.JobIsOpen,
            errors.NoCallbackUrl,
            errors.TooManyRequests,
        ),
    },
)
def repeat_callback(job_id: JobId) -> Response[str]:
    """Put the callback of a job that has ended into the queue again."""
    account, now = routes.user().account, clock.now()
    job = resend(account, job_id, now=now)
    logger.info("callback repeated", job_id=job_id, account=str(account))
    return json_response(HTTPStatus.ACCEPTED, job_response(job, now=now))


@routes.delete(
    "/jobs/<job_id>",
    operation_id="delete_job",
    summary="Delete a job",
    description=(
        "Deletes the record and the media of a job that has ended. Its ledger entries remain."
    ),
    tags=["jobs"],
    responses={
        204: response("The job is deleted."),
        **problems(*SIGNED_IN, errors.NotFound, errors.JobIsOpen),
    },
)
def delete_job(job_id: JobId) -> Response[str]:
    """Delete a job that has ended, with its media."""
    delete(routes.user().account, job_id, now=clock.now())
    logger.info("job deleted", job_id=job_id)
    return Response(HTTPStatus.NO_CONTENT, body="")
