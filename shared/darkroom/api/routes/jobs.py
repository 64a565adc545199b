"""Routes of the caller's jobs: submit, list, read, cancel, delete."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.paging import PAGE_SIZE, Cursor, Limit
from darkroom.api.responses import KnownTags, etag_matches, json_response, not_modified, returns
from darkroom.domain import errors
from darkroom.domain.jobs import JobStatus
from darkroom.observability import logger
from darkroom.schemas import responses
from darkroom.schemas.job_response import etag_of, job_response, retry_after
from darkroom.schemas.requests import JobRequest
from darkroom.services.cancel_job import cancel
from darkroom.services.delete_job import delete
from darkroom.services.submit_job import submit
from darkroom.storage import jobs, ledger
from darkroom.storage.idempotency import IdempotencyKey

routes = Routes()


@routes.post("/jobs", tags=["jobs"])
@returns(
    {HTTPStatus.ACCEPTED: responses.JobResponse},
    headers=("Location", "Idempotency-Replayed"),
    problems=(
        errors.IdempotencyKeyReused,
        errors.InsufficientCredits,
        errors.TooManyJobs,
        errors.RateLimited,
        errors.Paused,
        errors.NotFound,
    ),
)
def submit_job(
    request: Annotated[JobRequest, Body()],
    idempotency_key: Annotated[
        str | None, Header(alias="Idempotency-Key", pattern=r"^[\x20-\x7e]{1,255}$")
    ] = None,
) -> Response[str]:
    """Hold the credits and accept the job. From then on it is durable, whether or not its start succeeds."""
    account, now = routes.user().account, clock.now()
    ledger.welcome(account, now=now)
    key = IdempotencyKey.of(idempotency_key, routes.api.raw_body()) if idempotency_key else None
    accepted = submit(account, request, key=key, now=now)
    headers = {"Location": f"/jobs/{accepted.job.job_id}"} | (
        {"Idempotency-Replayed": "true"} if accepted.is_repeat else {}
    )
    return json_response(HTTPStatus.ACCEPTED, job_response(accepted.job, now=now), headers)


@routes.get("/jobs", tags=["jobs"])
@returns({HTTPStatus.OK: responses.JobPageResponse})
def list_jobs(
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
    status: Annotated[JobStatus | None, Query()] = None,
) -> Response[str]:
    """List the caller's jobs, newest first."""
    account = routes.user().account
    page, now = jobs.page(account, limit=limit, cursor=cursor, status=status), clock.now()
    total = ledger.balance(account).jobs_total
    return json_response(
        HTTPStatus.OK,
        {
            "jobs": [job_response(job, now=now) for job in page.items],
            "next_cursor": page.next_cursor,
            "total": total,
        },
    )


@routes.get("/jobs/<job_id>", tags=["jobs"])
@returns(
    {HTTPStatus.OK: responses.JobResponse, HTTPStatus.NOT_MODIFIED: None},
    headers=("ETag", "Cache-Control", "Retry-After"),
    problems=(errors.NotFound,),
)
def read_job(job_id: str, if_none_match: KnownTags = None) -> Response[str]:
    """Show one of the caller's jobs."""
    job, now = jobs.read(routes.user().account, job_id), clock.now()
    headers = {"ETag": etag_of(job, now=now), "Cache-Control": "private, no-cache"} | retry_after(
        job, now=now
    )
    return (
        not_modified(headers)
        if etag_matches(headers["ETag"], if_none_match)
        else json_response(HTTPStatus.OK, job_response(job, now=now), headers)
    )


@routes.post("/jobs/<job_id>/cancel", tags=["jobs"])
@returns(
    {HTTPStatus.ACCEPTED: responses.JobResponse}, problems=(errors.NotFound, errors.JobIsFinal)
)
def cancel_job(job_id: str) -> Response[str]:
    """Cancel a job. The cancel wins when it came before storing began. Only the workflow ends the job, and its status shows which won."""
    now = clock.now()
    job = cancel(routes.user().account, job_id, now=now)
    return json_response(HTTPStatus.ACCEPTED, job_response(job, now=now))


@routes.delete("/jobs/<job_id>", tags=["jobs"])
@returns({HTTPStatus.NO_CONTENT: None}, problems=(errors.NotFound, errors.JobIsOpen))
def delete_job(job_id: str) -> Response[str]:
    """Delete a job that has ended: its record and its media. Its ledger entries stay."""
    delete(routes.user().account, job_id, now=clock.now())
    logger.info("job deleted", job_id=job_id)
    return Response(HTTPStatus.NO_CONTENT, body="")
