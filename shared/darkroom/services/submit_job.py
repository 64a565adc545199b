"""Submits a job: which template, which parameters, what it costs; then holds the credits and starts the workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uuid6 import uuid7

from darkroom.aws import step_functions
from darkroom.catalog.available_templates import available_template, available_templates
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import FieldError, InvalidRequest, NotFound, Paused
from darkroom.domain.ids import is_id
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.parameters import check_parameters, images_in
from darkroom.domain.templates import Template, new_job
from darkroom.domain.urls import is_safe_url
from darkroom.observability import logger
from darkroom.schemas.requests import JobRequest, NewJob, Rerun
from darkroom.settings import settings
from darkroom.storage import feature_flags, idempotency, jobs, ledger, uploads
from darkroom.storage.idempotency import IdempotencyKey


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that was accepted, now or by an earlier request with the same Idempotency-Key."""

    job: Job
    is_repeat: bool


def submit(
    account: AccountId, request: JobRequest, *, key: IdempotencyKey | None, now: datetime
) -> Accepted:
    """Hold the credits and accept the job. From then on it is durable, whether or not its start succeeds.

    Raises InvalidRequest, Paused, IdempotencyKeyReused, InsufficientCredits, TooManyJobs or RateLimited; then nothing was written.
    """
    # The flag is read before the key: a request that was accepted before the pause is then always found.
    is_paused = feature_flags.is_paused()
    if key and (before := idempotency.find_accepted(account, key, now=now)):
        accepted = Accepted(before, is_repeat=True)
    elif is_paused:
        raise Paused
    else:
        accepted = Accepted(*ledger.hold(build_job(request, account, now=now), key=key, now=now))
    job = accepted.job
    if job.status is JobStatus.PENDING:
        step_functions.try_start(job)
    logger.info(
        "job accepted",
        job_id=job.job_id,
        template=job.template.code,
        credits=job.quoted,
        repeated=accepted.is_repeat,
    )
    return accepted


def build_job(request: JobRequest, account: AccountId, *, now: datetime) -> Job:
    """Make the job that a request asks for, with a new id, not written anywhere yet. Raises InvalidRequest naming what is wrong."""
    if request.callback_url is not None and not is_safe_url(
        request.callback_url, settings().private_hosts
    ):
        raise InvalidRequest([FieldError("callback_url", "Must be an https URL.")])
    code, given = _template_and_parameters(request.kind, account)
    try:
        template = available_template(code)
    except NotFound:
        known = ", ".join(template.code for template in available_templates())
        field = "rerun_of" if request.rerun_of else "template"
        raise InvalidRequest(
            [FieldError(field, f"There is no template {code}. There are: {known}.")]
        ) from None
    parameters, uploads_named = _check(template, given, account, now=now)
    return new_job(
        template,
        parameters,
        account=account,
        job_id=str(uuid7()),
        prices=settings().prices,
        now=now,
        uploads=uploads_named,
        callback_url=request.callback_url,
        metadata=request.metadata or {},
    )


def price(
    template: Template, given: Mapping[str, Any], account: AccountId, *, now: datetime
) -> int:
    """Tell what a job of these parameters would cost, in credits. Raises InvalidRequest where the job would be refused."""
    parameters, _ = _check(template, given, account, now=now)
    return template.cost(parameters, settings().prices)


def _check(
    template: Template, given: Mapping[str, Any], account: AccountId, *, now: datetime
) -> tuple[dict[str, Any], dict[str, str]]:
    """Check the parameters, and give with them the key of each upload that they name."""
    parameters = check_parameters(
        template, given, prompt_characters_max=settings().prompt_characters_max
    )
    keys: dict[str, str] = {}
    missing: list[FieldError] = []
    for field, image in images_in(template, parameters).items():
        if not is_id(image):
            continue
        try:
            keys[image] = uploads.input_key(account, image, now=now)
        except NotFound:
            missing.append(
                FieldError(
                    field,
                    "There is no such upload of yours, or it is not complete, or too old. Upload the image again.",
                )
            )
    if missing:
        raise InvalidRequest(missing)
    return parameters, keys


def _template_and_parameters(
    request: NewJob | Rerun, account: AccountId
) -> tuple[str, Mapping[str, Any]]:
    """Return the template's code and the parameters: those of the request, or those of the job that is to run again."""
    if isinstance(request, NewJob):
        return request.template, request.parameters
    try:
        job = jobs.read(account, request.rerun_of)
    except NotFound:
        raise InvalidRequest([FieldError("rerun_of", "There is no such job.")]) from None
    if not job.status.is_final:
        raise InvalidRequest(
            [
                FieldError(
                    "rerun_of", f"The job is {job.status}. Only a job that has ended can run again."
                )
            ]
        )
    return job.template.code, job.parameters
