"""Submits a job: checks the request, holds the credits and starts the workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uuid6 import uuid7

from darkroom import catalog
from darkroom.aws import step_functions
from darkroom.catalog.available_templates import (
    available_template,
    available_templates,
    require_not_retired,
)
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import (
    FieldError,
    InvalidRequest,
    ModelUnavailable,
    NotFound,
    Paused,
    ProviderPaused,
)
from darkroom.domain.ids import is_id
from darkroom.domain.input_rules import Candidates, check_enlargement, choose, scale_of
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.parameters import check_parameters, images_in, parameter_of
from darkroom.domain.templates import Template, new_job
from darkroom.domain.uploads import Upload
from darkroom.domain.urls import is_safe_url
from darkroom.observability import logger
from darkroom.schemas.requests import JobRequest, NewJob, Rerun
from darkroom.services import provider_health
from darkroom.settings import settings
from darkroom.storage import feature_flags, idempotency, jobs, ledger, uploads
from darkroom.storage.idempotency import IdempotencyKey


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted job. `is_repeat`: an earlier request with the same Idempotency-Key created it."""

    job: Job
    is_repeat: bool


def submit(
    account: AccountId, request: JobRequest, *, key: IdempotencyKey | None, now: datetime
) -> Accepted:
    """Hold the credits, record the job, and start its workflow.

    The job is durable after the hold. If the start fails, recovery starts the job. Raises
    InvalidRequest, Paused, ProviderPaused, ModelUnavailable, IdempotencyKeyReused, Suspended,
    InsufficientCredits, TooManyJobs or RateLimited. Raises NotFound if the job of the key was
    deleted. After an error, nothing is written.
    """
    # Read the flag before the key. Then a repeated request returns its job, even if another request
    # accepted the job between the two reads and new jobs are paused after that.
    is_paused = feature_flags.is_paused()
    if key and (existing := idempotency.find_accepted(account, key, now=now)):
        accepted = Accepted(existing, is_repeat=True)
    elif is_paused:
        raise Paused
    else:
        accepted = _hold_new(build_job(request, account, now=now), key=key, now=now)
    job = accepted.job
    if job.status is JobStatus.PENDING:
        step_functions.try_start(job)
    logger.info(
        "job accepted",
        job_id=job.job_id,
        account=str(account),
        template=job.template.code,
        credits=job.quoted,
        repeated=accepted.is_repeat,
    )
    return accepted


def _hold_new(job: Job, *, key: IdempotencyKey | None, now: datetime) -> Accepted:
    try:
        provider_health.require_accepted(job.template.code, job.model_input.provider, now=now)
    except (ProviderPaused, ModelUnavailable):
        # Another request with this key may have been accepted since the first look.
        if key and (existing := idempotency.find_accepted(job.account, key, now=now)):
            return Accepted(existing, is_repeat=True)
        raise
    return Accepted(*ledger.hold(job, key=key, now=now))


def build_job(request: JobRequest, account: AccountId, *, now: datetime) -> Job:
    """Build a new job from a request, without writing it. Raises InvalidRequest."""
    if request.callback_url is not None and not is_safe_url(
        request.callback_url, settings().private_hosts
    ):
        raise InvalidRequest(
            [FieldError("callback_url", "Must be an https URL of at most 2000 ASCII characters.")]
        )
    code, requested = _template_and_parameters(request.kind, account)
    field = "rerun_of" if request.rerun_of else "template"
    require_not_retired(code, field=field)
    try:
        template = available_template(code)
    except NotFound:
        known = ", ".join(template.code for template in available_templates())
        raise InvalidRequest(
            [FieldError(field, f"There is no template {code}. Available templates: {known}.")]
        ) from None
    parameters, upload_keys = _check(template, requested, account, now=now)
    return new_job(
        template,
        parameters,
        account=account,
        job_id=str(uuid7()),
        prices=settings().prices,
        now=now,
        queue_seconds_max=settings().queue_seconds_max,
        uploads=upload_keys,
        callback_url=request.callback_url,
        metadata=request.metadata or {},
    )


def price(
    template: Template, requested: Mapping[str, Any], account: AccountId, *, now: datetime
) -> int:
    """Return the price of a job in credits. Raises InvalidRequest if the job would be refused."""
    parameters, _ = _check(template, requested, account, now=now)
    return template.cost(parameters, settings().prices)


def _check(
    template: Template, requested: Mapping[str, Any], account: AccountId, *, now: datetime
) -> tuple[dict[str, Any], dict[str, str]]:
    """Check the parameters. Return them with the object key of each upload by the upload's id.

    Raises InvalidRequest.
    """
    parameters = check_parameters(
        template, requested, prompt_characters_max=settings().prompt_characters_max
    )
    found, missing = _uploads_in(template, parameters, account, now=now)
    if missing:
        raise InvalidRequest(missing)
    return parameters, _choose_keys(template, requested, parameters, found) if found else {}


def _choose_keys(
    template: Template,
    requested: Mapping[str, Any],
    parameters: Mapping[str, Any],
    found: Mapping[str, Upload],
) -> dict[str, str]:
    """Return the object key of the image that the model receives, by the upload's id.

    Raises InvalidRequest if the model would refuse an image, or would not enlarge it.
    """
    rules = template.image_rules
    chosen = choose(
        {
            field: Candidates(rules[parameter_of(field)], upload.images)
            for field, upload in found.items()
        },
        total_bytes_max=template.inline_inputs_bytes_max,
    )
    if (scale := template.scale_parameter) is not None:
        for field, image in chosen.items():
            largest = found[field].images[-1]
            check_enlargement(
                image,
                found[field].original_size or (largest.width, largest.height),
                scale=scale_of(parameters[scale]),
                scale_max=template.scale_max,
                field=f"parameters.{template.set_by(scale, requested)}",
            )
    return {upload.upload_id: upload.key(chosen[field]) for field, upload in found.items()}


def _uploads_in(
    template: Template, parameters: Mapping[str, Any], account: AccountId, *, now: datetime
) -> tuple[dict[str, Upload], list[FieldError]]:
    """Return the completed uploads in the parameters by field, and an error for each other id."""
    found: dict[str, Upload] = {}
    missing: list[FieldError] = []
    for field, image in images_in(template, parameters).items():
        if not is_id(image):
            continue
        try:
            upload = uploads.read(account, image, now=now)
        except NotFound:
            upload = None
        if upload is not None and upload.images:
            found[field] = upload
        else:
            missing.append(
                FieldError(
                    field,
                    "This upload does not exist, is not complete, or is too old. "
                    "Upload the image again.",
                )
            )
    return found, missing


def _template_and_parameters(
    request: NewJob | Rerun, account: AccountId
) -> tuple[str, Mapping[str, Any]]:
    """Return the template's code and the parameters of the request or of the job to rerun.

    A rerun has the parameters that the user could choose. The template sets the others again, as
    the operator's limits are now. Raises InvalidRequest if the job to rerun does not exist or has
    not ended.
    """
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
    return job.template.code, _chosen_parameters(job)


def _chosen_parameters(job: Job) -> dict[str, Any]:
    """Return the parameters of a job without those that its template set."""
    try:
        fixed = catalog.template(job.template.code, job.template.version).fixed
    except NotFound:
        # The catalog has no such template any more. The caller refuses its code.
        fixed = {}
    return {name: value for name, value in job.parameters.items() if name not in fixed}
