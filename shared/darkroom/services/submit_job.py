"""From a request to a job: which template, which parameters, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from uuid6 import uuid7

from darkroom.catalog.available_templates import available_template, available_templates
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import FieldError, InvalidRequest, NotFound
from darkroom.domain.ids import is_id
from darkroom.domain.jobs import Job
from darkroom.domain.parameters import checked_parameters, named_images
from darkroom.domain.templates import Template, new_job
from darkroom.domain.urls import is_safe_url
from darkroom.schemas.requests import JobRequest
from darkroom.settings import settings
from darkroom.storage import jobs, uploads


def job_of(request: JobRequest, account: AccountId, *, now: datetime) -> Job:
    """Make the job that a request asks for, with a new id, not written anywhere yet. Raises InvalidRequest naming what is wrong."""
    if request.callback_url is not None and not is_safe_url(request.callback_url, settings().private_hosts):
        raise InvalidRequest([FieldError("callback_url", "Must be an https URL.")])
    code, given = _asked_for(request, account)
    try:
        template = available_template(code)
    except NotFound:
        known = ", ".join(template.code for template in available_templates())
        field = "rerun_of" if request.rerun_of else "template"
        raise InvalidRequest([FieldError(field, f"There is no template {code}. There are: {known}.")]) from None
    parameters, uploads_named = _checked(template, given, account, now=now)
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


def quote(template: Template, given: Mapping[str, Any], account: AccountId, *, now: datetime) -> int:
    """Tell what a job of these parameters would cost, in credits. Raises InvalidRequest where the job would be refused."""
    parameters, _ = _checked(template, given, account, now=now)
    return template.cost(parameters, settings().prices)


def _checked(template: Template, given: Mapping[str, Any], account: AccountId, *, now: datetime) -> tuple[dict[str, Any], dict[str, str]]:
    """Check the parameters, and give with them the key of each upload that they name."""
    parameters = checked_parameters(template, given, prompt_characters_max=settings().prompt_characters_max)
    keys: dict[str, str] = {}
    missing: list[FieldError] = []
    for field, image in named_images(template, parameters).items():
        if not is_id(image):
            continue
        try:
            keys[image] = uploads.prepared_key(account, image, now=now)
        except NotFound:
            missing.append(FieldError(field, "There is no such upload of yours, or it is not complete, or too old. Upload the image again."))
    if missing:
        raise InvalidRequest(missing)
    return parameters, keys


def _asked_for(request: JobRequest, account: AccountId) -> tuple[str, Mapping[str, Any]]:
    """Tell the template's code and the parameters: those of the request, or those of the job that is to run again."""
    given = {"template": request.template, "parameters": request.parameters}
    if request.rerun_of is None:
        if missing := [name for name, value in given.items() if value is None]:
            raise InvalidRequest([FieldError(name, "Is required, unless rerun_of names a job to run again.") for name in missing])
        return str(request.template), request.parameters or {}
    if superfluous := [name for name, value in given.items() if value is not None]:
        raise InvalidRequest([FieldError(name, "Must not be given together with rerun_of.") for name in superfluous])
    try:
        job = jobs.read(account, request.rerun_of)
    except NotFound:
        raise InvalidRequest([FieldError("rerun_of", "There is no such job.")]) from None
    if not job.status.is_final:
        raise InvalidRequest([FieldError("rerun_of", f"The job is {job.status}. Only a job that has ended can run again.")])
    return job.template.code, job.parameters
