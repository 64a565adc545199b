"""HTTP API: jobs, templates, uploads, credits, callbacks and administration."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.api.app import HttpApi
from darkroom.api.auth import User, account_in_path, current_user
from darkroom.api.problems import PROBLEMS, problem_named
from darkroom.api.responses import cacheable_json, etag_matches, json_response, json_text, not_modified, returns
from darkroom.aws import step_functions
from darkroom.catalog.available_templates import available_template, available_templates
from darkroom.domain import errors
from darkroom.domain.accounts import AccountId, Entry
from darkroom.domain.jobs import JobStatus
from darkroom.domain.templates import Template
from darkroom.observability import logger, metrics, tracer
from darkroom.schemas import responses
from darkroom.schemas.job_response import etag_of, job_response, retry_after
from darkroom.schemas.requests import CallbackTestRequest, GrantRequest, JobRequest, PageSize, PauseRequest, QuoteRequest, UploadRequest, Version
from darkroom.schemas.views import balance_response, entry_response, template_response
from darkroom.services import callbacks
from darkroom.services import delete_job as deletion
from darkroom.services import submit_job as submissions
from darkroom.settings import settings
from darkroom.storage import feature_flags, jobs, ledger, uploads
from darkroom.storage.ledger import IdempotencyKey
from darkroom.storage.pagination import Page

app = HttpApi(body_bytes_max=settings().body_bytes_max)

_PAGE_SIZE = settings().page_size

Limit = Annotated[PageSize, Query()]
KnownTags = Annotated[str | None, Header(alias="If-None-Match")]
Cursor = Annotated[str | None, Query(max_length=200)]


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    return app.resolve(event, context)


@app.post("/jobs", tags=["jobs"])
@returns(
    {HTTPStatus.ACCEPTED: responses.JobResponse},
    headers=("Location", "Idempotency-Replayed"),
    problems=(errors.IdempotencyKeyReused, errors.InsufficientCredits, errors.TooManyJobs, errors.RateLimited, errors.Paused, errors.NotFound),
)
def submit_job(
    request: Annotated[JobRequest, Body()],
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", pattern=r"^[\x20-\x7e]{1,255}$")] = None,
) -> Response[str]:
    """Hold the credits and accept the job. From then on it is durable, whether or not its start succeeds."""
    account, now = _welcomed(), clock.now()
    key = IdempotencyKey.of(idempotency_key, app.raw_body()) if idempotency_key else None
    # The switch is read first: whoever finds it on has then seen every request that was accepted before it was turned.
    paused = feature_flags.is_paused()
    job = ledger.accepted_before(account, key, now=now) if key else None
    repeated = job is not None
    if job is None:
        if paused:
            raise errors.Paused
        job, repeated = ledger.hold(submissions.job_of(request, account, now=now), key=key, now=now)
    if job.status is JobStatus.PENDING:
        step_functions.try_start(job)
    logger.info("job accepted", job_id=job.job_id, template=job.template.code, credits=job.quoted, repeated=repeated)
    headers = {"Location": f"/jobs/{job.job_id}"} | ({"Idempotency-Replayed": "true"} if repeated else {})
    return json_response(HTTPStatus.ACCEPTED, job_response(job, now=now), headers)


@app.get("/jobs", tags=["jobs"])
@returns({HTTPStatus.OK: responses.JobPageResponse})
def list_jobs(limit: Limit = _PAGE_SIZE, cursor: Cursor = None, status: Annotated[JobStatus | None, Query()] = None) -> Response[str]:
    """List the caller's jobs, newest first."""
    account = _user().account
    page, now = jobs.page(account, limit=limit, cursor=cursor, status=status), clock.now()
    total = ledger.balance(account).jobs_total
    return json_response(HTTPStatus.OK, {"jobs": [job_response(job, now=now) for job in page.items], "next_cursor": page.next_cursor, "total": total})


@app.get("/jobs/<job_id>", tags=["jobs"])
@returns({HTTPStatus.OK: responses.JobResponse, HTTPStatus.NOT_MODIFIED: None}, headers=("ETag", "Cache-Control", "Retry-After"), problems=(errors.NotFound,))
def read_job(job_id: str, if_none_match: KnownTags = None) -> Response[str]:
    """Show one of the caller's jobs."""
    job, now = jobs.read(_user().account, job_id), clock.now()
    headers = {"ETag": etag_of(job, now=now), "Cache-Control": "private, no-cache"} | retry_after(job, now=now)
    return not_modified(headers) if etag_matches(headers["ETag"], if_none_match) else json_response(HTTPStatus.OK, job_response(job, now=now), headers)


@app.post("/jobs/<job_id>/cancel", tags=["jobs"])
@returns({HTTPStatus.ACCEPTED: responses.JobResponse}, problems=(errors.NotFound, errors.JobIsFinal))
def cancel_job(job_id: str) -> Response[str]:
    """Ask for the end of a job. It wins if it was asked before storing began; only the workflow ends the job, and its end shows which."""
    job, now = jobs.read(_user().account, job_id), clock.now()
    asked = jobs.request_cancel(job, next_check_at=now + timedelta(seconds=settings().start_grace_seconds), now=now)
    if asked is None:
        raise errors.JobIsFinal(jobs.read(job.account, job_id).status)
    step_functions.resume_or_start(asked)
    logger.info("cancel asked", job_id=job_id, in_time=asked.cancel_wins)
    return json_response(HTTPStatus.ACCEPTED, job_response(asked, now=now))


@app.delete("/jobs/<job_id>", tags=["jobs"])
@returns({HTTPStatus.NO_CONTENT: None}, problems=(errors.NotFound, errors.JobIsOpen))
def delete_job(job_id: str) -> Response[str]:
    """Delete a job that has ended: its record and its media. Its ledger entries stay."""
    deletion.delete(_user().account, job_id, now=clock.now())
    logger.info("job deleted", job_id=job_id)
    return Response(HTTPStatus.NO_CONTENT, body="")


@app.get("/templates", tags=["templates"])
@returns({HTTPStatus.OK: responses.TemplatesResponse, HTTPStatus.NOT_MODIFIED: None}, headers=("ETag", "Cache-Control"))
def list_templates(if_none_match: KnownTags = None) -> Response[str]:
    """Show what can be generated, and with which parameters."""
    _user()
    text = json_text({"templates": [_template_response(template) for template in available_templates()]})
    return cacheable_json(text, if_none_match, "private, max-age=300")


@app.get("/templates/<code>", tags=["templates"])
@returns({HTTPStatus.OK: responses.TemplateResponse}, problems=(errors.NotFound,))
def read_template(code: str, version: Annotated[Version | None, Query()] = None) -> Response[str]:
    """Show one template, in its current version, or as it was in the version that an old job was made from."""
    _user()
    return json_response(HTTPStatus.OK, _template_response(available_template(code, version)))


@app.post("/templates/<code>/quote", tags=["templates"])
@returns({HTTPStatus.OK: responses.QuoteResponse}, problems=(errors.NotFound,))
def quote(code: str, request: Annotated[QuoteRequest, Body()]) -> Response[str]:
    """Say what a job would cost, or why it would be refused, without taking it."""
    account = _user().account
    return json_response(HTTPStatus.OK, {"credits": submissions.quote(available_template(code), request.parameters, account, now=clock.now())})


@app.post("/uploads", tags=["uploads"])
@returns({HTTPStatus.CREATED: responses.UploadFormResponse})
def announce_upload(request: Annotated[UploadRequest, Body()]) -> Response[str]:
    """Sign a form by which an image goes straight to the bucket. Complete the upload to use it as an input."""
    upload, form = uploads.announce(_user().account, request.content_type, bytes_max=request.bytes, now=clock.now())
    return json_response(HTTPStatus.CREATED, {"upload_id": upload.upload_id, **form})


@app.get("/credits", tags=["credits"])
@returns({HTTPStatus.OK: responses.BalanceResponse})
def read_credits() -> Response[str]:
    """Show the caller's balance."""
    return json_response(HTTPStatus.OK, balance_response(ledger.balance(_welcomed())))


@app.get("/credits/entries", tags=["credits"])
@returns({HTTPStatus.OK: responses.EntryPageResponse})
def list_entries(limit: Limit = _PAGE_SIZE, cursor: Cursor = None) -> Response[str]:
    """List the caller's ledger entries, newest first."""
    return _entries_response(ledger.entries(_welcomed(), limit=limit, cursor=cursor))


@app.get("/callbacks/secret", tags=["callbacks"])
@returns({HTTPStatus.OK: responses.SecretResponse}, headers=("Cache-Control",))
def read_callback_secret() -> Response[str]:
    """Show what the caller's callbacks are signed with."""
    return json_response(HTTPStatus.OK, callbacks.secrets_of(_user().account, now=clock.now()).response, {"Cache-Control": "no-store"})


@app.post("/callbacks/secret/rotate", tags=["callbacks"])
@returns({HTTPStatus.OK: responses.SecretResponse}, headers=("Cache-Control",))
def rotate_callback_secret() -> Response[str]:
    """Sign callbacks with a new secret. For a day, or until the next rotation, they are signed with the previous one as well."""
    account = _user().account
    secrets = callbacks.rotate(account, now=clock.now())
    logger.info("callback secret rotated", account=str(account))
    return json_response(HTTPStatus.OK, secrets.response, {"Cache-Control": "no-store"})


@app.post("/callbacks/test", tags=["callbacks"])
@returns({HTTPStatus.OK: responses.DeliveryResponse})
def try_callback(request: Annotated[CallbackTestRequest, Body()]) -> Response[str]:
    """Call a URL as it would be called when a job has ended. The event is signed, of the type callback.test, and about no job."""
    return json_response(HTTPStatus.OK, callbacks.send_test(_user().account, request.callback_url, now=clock.now()))


@app.post("/accounts/<platform>/<user>/credits", tags=["administration"])
@returns({HTTPStatus.CREATED: responses.EntryResponse, HTTPStatus.OK: responses.EntryResponse})
def grant_credits(platform: str, user: str, request: Annotated[GrantRequest, Body()]) -> Response[str]:
    """Grant credits to an account, or correct them, once for each reference."""
    _user().require_admin()
    account = account_in_path(platform, user)
    entry, repeated = ledger.grant(account, request.amount, reason=request.reason, reference=request.reference, now=clock.now())
    logger.info("credits granted", account=str(account), credits=request.amount, repeated=repeated)
    return json_response(HTTPStatus.OK if repeated else HTTPStatus.CREATED, entry_response(entry))


@app.get("/accounts/<platform>/<user>", tags=["administration"])
@returns({HTTPStatus.OK: responses.BalanceResponse}, problems=(errors.InvalidRequest,))
def read_account(platform: str, user: str) -> Response[str]:
    """Show an administrator the ledger of an account."""
    _user().require_admin()
    return json_response(HTTPStatus.OK, balance_response(ledger.balance(account_in_path(platform, user))))


@app.get("/accounts/<platform>/<user>/entries", tags=["administration"])
@returns({HTTPStatus.OK: responses.EntryPageResponse})
def list_account_entries(platform: str, user: str, limit: Limit = _PAGE_SIZE, cursor: Cursor = None) -> Response[str]:
    """Show an administrator the ledger of an account."""
    _user().require_admin()
    return _entries_response(ledger.entries(account_in_path(platform, user), limit=limit, cursor=cursor))


@app.put("/admin/paused", tags=["administration"])
@returns({HTTPStatus.OK: responses.PausedResponse})
def pause(request: Annotated[PauseRequest, Body()]) -> Response[str]:
    """Take no jobs from now on, or take them again."""
    user = _user()
    user.require_admin()
    feature_flags.pause(paused=request.paused, by=user.account, now=clock.now())
    logger.warning("jobs are paused" if request.paused else "jobs are taken again", by=str(user.account))
    return json_response(HTTPStatus.OK, {"paused": request.paused})


@app.get("/openapi.json", tags=["service"], security=[])
@returns({HTTPStatus.OK: responses.DocumentResponse, HTTPStatus.NOT_MODIFIED: None}, headers=("ETag", "Cache-Control"))
def read_openapi(if_none_match: KnownTags = None) -> Response[str]:
    """Describe this API, as OpenAPI 3.1 has it."""
    from darkroom.api import openapi  # noqa: PLC0415 (no other request pays for it)

    return cacheable_json(openapi.document_text(app), if_none_match, "public, max-age=300")


@app.get("/docs", tags=["service"], security=[])
@returns({HTTPStatus.OK: str}, headers=("Cache-Control",))
def read_docs() -> Response[str]:
    """Show what this API is, to people."""
    from darkroom.api import docs_page, openapi  # noqa: PLC0415 (no other request pays for it)

    return docs_page.docs_page(openapi.document(app), PROBLEMS.values())


@app.get("/problems/<slug>", tags=["service"], security=[])
@returns({HTTPStatus.OK: str}, headers=("Cache-Control",), problems=(errors.NotFound,))
def read_problem(slug: str) -> Response[str]:
    """Show what a type of problem means and what to do about it, to people."""
    from darkroom.api import docs_page  # noqa: PLC0415 (no other request pays for it)

    return docs_page.problem_page(problem_named(slug))


@app.get("/health", tags=["service"], security=[])
@returns({HTTPStatus.OK: responses.HealthResponse})
def read_health() -> Response[str]:
    """Say that the door is open."""
    return json_response(HTTPStatus.OK, {"status": "ok"})


def _user() -> User:
    return current_user(app.claims())


def _welcomed() -> AccountId:
    """Give the caller's account, which has had its welcome credits."""
    account = _user().account
    if ledger.welcome(account, now=clock.now()):
        logger.info("welcome credits granted", account=str(account), credits=settings().welcome_credits)
    return account


def _template_response(template: Template) -> responses.TemplateResponse:
    return template_response(template, prompt_characters_max=settings().prompt_characters_max)


def _entries_response(page: Page[Entry]) -> Response[str]:
    return json_response(HTTPStatus.OK, {"entries": [entry_response(entry) for entry in page.items], "next_cursor": page.next_cursor})
