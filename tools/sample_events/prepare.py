"""Fills each sample event in, and says how to check its answer.

The committed samples have fixed ids. Each fixed id is replaced by the id of a thing that was made
for the event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import requests
from standardwebhooks import Webhook

from darkroom.aws.secrets import secret_values
from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.references import Reference
from darkroom.settings import settings
from darkroom.storage import checks, jobs, ledger
from tools.sample_events import samples, things

type Event = dict[str, Any]
type Answer = Any
type Check = Callable[[Answer], bool]

_STATE = samples.read("request_prediction", "first_entry")
_ACCOUNT = AccountId.parse(_STATE["account"])
_JOB_ID = _STATE["job_id"]
_UPLOAD_ID = samples.read("prepare_upload", "complete_upload")["pathParameters"]["upload_id"]
_CALLBACK_URL = json.loads(samples.read("api", "submit_job")["body"])["callback_url"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event about things that exist, and the check of the function's answer.

    The check reads the effect on the stack, and waits for it if another function causes it.
    """

    event: Event
    check: Check


def prepare(function: str, name: str) -> Prepared:
    """Make what a sample event names, and return the filled event.

    Raises UnknownEvent if there is no such event. Raises KeyError for a sample without an entry in
    `PREPARATIONS`.
    """
    name = samples.choose(function, name)
    return PREPARATIONS[f"{function}/{name}"](samples.read(function, name))


def _filled(event: Event, values: Mapping[str, str]) -> Event:
    text = json.dumps(event)
    for fixed, value in values.items():
        text = text.replace(fixed, value)
    filled: Event = json.loads(text)
    return filled


def _about(event: Event, job: Job) -> Event:
    return _filled(event, {_ACCOUNT.user: job.account.user, _JOB_ID: job.job_id})


def _as_user(event: Event, account: AccountId) -> Event:
    return _filled(event, {_ACCOUNT.user: account.user})


def _with_body(event: Event, body: str) -> Event:
    headers = event["headers"] | {"content-length": str(len(body.encode()))}
    return event | {"body": body, "headers": headers}


def _has_status(status: int) -> Check:
    return lambda answer: bool(answer["statusCode"] == status)


def _current(job: Job) -> Job:
    return jobs.read(job.account, job.job_id)


def _ends(job: Job, status: JobStatus) -> bool:
    """Wait until the job has ended. Return whether it has this status."""
    final = things.until(lambda: now if (now := _current(job)).status.is_final else None)
    return final.status is status


def _submit_job(event: Event) -> Prepared:
    account = things.account()
    event = _as_user(event, account)
    event["headers"]["idempotency-key"] = f"order-{uuid4()}"
    body = json.loads(event["body"]) | {"callback_url": _callbacks_url()}
    event = _with_body(event, json.dumps(body))

    def check(answer: Answer) -> bool:
        job = jobs.read(account, json.loads(answer["body"])["id"])
        return answer["statusCode"] == HTTPStatus.ACCEPTED and _ends(job, JobStatus.COMPLETED)

    return Prepared(event, check)


def _list_templates(event: Event) -> Prepared:
    def check(answer: Answer) -> bool:
        return answer["statusCode"] == HTTPStatus.OK and bool(
            json.loads(answer["body"])["templates"]
        )

    return Prepared(_as_user(event, things.account()), check)


def _grant_credits(event: Event) -> Prepared:
    account = AccountId("web", str(uuid4()))
    body = json.loads(event["body"]) | {"reference": f"welcome-{uuid4()}"}

    def check(answer: Answer) -> bool:
        granted = ledger.balance(account).granted
        return bool(answer["statusCode"] == HTTPStatus.CREATED and granted == body["amount"])

    return Prepared(_with_body(_as_user(event, account), json.dumps(body)), check)


def _read_job(event: Event) -> Prepared:
    job = things.open_job()

    def check(answer: Answer) -> bool:
        document = json.loads(answer["body"])
        return bool(answer["statusCode"] == HTTPStatus.OK and document["id"] == job.job_id)

    return Prepared(_about(event, job), check)


def _cancel_job(event: Event) -> Prepared:
    job = things.with_task_token(things.waiting_job())

    def check(answer: Answer) -> bool:
        return answer["statusCode"] == HTTPStatus.ACCEPTED and _ends(job, JobStatus.CANCELED)

    return Prepared(_about(event, job), check)


def _complete_upload(event: Event) -> Prepared:
    account = things.account()
    values = {_ACCOUNT.user: account.user, _UPLOAD_ID: things.upload(account)}
    return Prepared(_filled(event, values), _has_status(HTTPStatus.OK))


def _first_entry(event: Event) -> Prepared:
    waiting = things.waiting_job()
    entry = {
        "task_token": waiting.task_token,
        "entered_at": waiting.entered_at,
        "retry_count": waiting.retry_count,
    }

    def check(answer: Answer) -> bool:
        return answer is None and _ends(waiting.job, JobStatus.COMPLETED)

    return Prepared(_about(event, waiting.job) | entry, check)


def _provider_is_full(event: Event) -> Prepared:
    # By now a slot is free, so the function gives it to the job and resumes the execution.
    return _first_entry(event)


def _unknown_path(event: Event) -> Prepared:
    return Prepared(event, _has_status(HTTPStatus.NOT_FOUND))


def _replicate_calls(event: Event) -> Prepared:
    job = things.with_prediction(things.with_task_token(things.waiting_job()))

    def check(answer: Answer) -> bool:
        return (
            answer["statusCode"] == HTTPStatus.OK
            and json.loads(answer["body"]) == {"noted": "finished"}
            and _ends(job, JobStatus.COMPLETED)
        )

    return Prepared(_signed(event, job), check)


def _signed(event: Event, job: Job) -> Event:
    """Return the event of Replicate's webhook about the job's prediction, signed now."""
    attempt = job.attempts[-1]
    reference = str(Reference(job.account, job.job_id, attempt.nonce))
    query = f"job={quote(reference, safe='')}"
    document = requests.get(
        f"{settings().replicate_base_url}/predictions/{attempt.prediction_id}",
        headers={"Authorization": f"Bearer {secret_values(settings().replicate_token_secret)[0]}"},
        timeout=10,
    ).json()
    webhook = {
        "webhook": f"{settings().public_url}{event['rawPath']}?{query}",
        "webhook_events_filter": ["start", "completed"],
    }
    event = _with_body(event, json.dumps(document | webhook))
    now = datetime.now(UTC)
    message_id = f"msg_{uuid4().hex}"
    signer = Webhook(secret_values(settings().replicate_webhook_secret)[0])
    event["headers"] |= {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign(message_id, now, event["body"]),
    }
    return event | {"rawQueryString": query, "queryStringParameters": {"job": reference}}


def _prediction_finished(event: Event) -> Prepared:
    job = things.with_prediction(things.open_job())
    return Prepared(
        _about(event, job), lambda answer: answer is None and len(_current(job).outputs) == 1
    )


def _outputs_stored(event: Event) -> Prepared:
    job = things.with_outputs(things.with_prediction(things.open_job()))
    return Prepared(
        _about(event, job), lambda answer: answer is None and _ends(job, JobStatus.COMPLETED)
    )


def _provider_unavailable(event: Event) -> Prepared:
    job = things.open_job()

    def check(answer: Answer) -> bool:
        return bool(answer == {"fault": True}) and _ends(job, JobStatus.FAILED)

    return Prepared(_about(event, job), check)


def _recover_every_minute(event: Event) -> Prepared:
    job = things.ended(things.open_job(), announced=False)

    def check(answer: Answer) -> bool:
        is_open = checks.schedule_check(job.account, job.job_id, datetime.now(UTC))
        return answer is None and not is_open

    return Prepared(event, check)


def _audit_every_day(event: Event) -> Prepared:
    things.account()
    return Prepared(event, lambda answer: answer is None)


def _check_every_day(event: Event) -> Prepared:
    return Prepared(event, lambda answer: answer is None)


def _job_ended(event: Event) -> Prepared:
    job = things.open_job(callback_url=_callbacks_url())
    job = things.ended(things.with_outputs(things.with_prediction(job)))

    def check(answer: Answer) -> bool:
        return bool(answer == {"batchItemFailures": []}) and f"{job.job_id}.completed" in {
            received["headers"].get("webhook-id")
            for received in requests.get(_callbacks_url(), timeout=10).json()["callbacks"]
        }

    return Prepared(_about(event, job), check)


def _callbacks_url() -> str:
    return f"{settings().public_url}/local/callbacks"


PREPARATIONS: Mapping[str, Callable[[Any], Prepared]] = {
    "api/cancel_job": _cancel_job,
    "api/grant_credits": _grant_credits,
    "api/list_templates": _list_templates,
    "api/read_job": _read_job,
    "api/submit_job": _submit_job,
    "audit_accounts/every_day": _audit_every_day,
    "check_catalog/every_day": _check_every_day,
    "complete_job/outputs_stored": _outputs_stored,
    "notify_client/job_ended": _job_ended,
    "prepare_upload/complete_upload": _complete_upload,
    "receive_prediction/replicate_calls": _replicate_calls,
    "recover_jobs/every_minute": _recover_every_minute,
    "refund_job/provider_unavailable": _provider_unavailable,
    "request_prediction/first_entry": _first_entry,
    "store_output/prediction_finished": _prediction_finished,
    "unknown_path/unknown_path": _unknown_path,
    "wait_for_slot/provider_is_full": _provider_is_full,
}
"""What to make for each sample event, by `<function>/<name>`."""
