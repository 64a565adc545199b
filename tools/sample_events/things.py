"""Makes what sample events name: accounts, jobs, predictions and uploads of the running stack.

A job keeps its state until its event is invoked. It has no execution, or an execution that waits,
and recovery checks it only after an hour. Each call makes an account of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

import requests
from PIL import Image

from darkroom.aws import step_functions
from darkroom.aws.clients import client
from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Attempt, Job, state_entry_name
from darkroom.domain.predictions import PartialPrediction, PredictionRequest, PredictionStatus
from darkroom.media import bucket
from darkroom.providers import load_provider
from darkroom.schemas.requests import JobRequest
from darkroom.services import announce_upload, store_output
from darkroom.services.submit_job import build_job
from darkroom.settings import settings
from darkroom.storage import attempts, checks, grants, jobs, ledger
from darkroom.storage.job_rows import JobRow, key_of
from darkroom.storage.transactions import update

# Replicate deletes the outputs of a prediction after an hour.
VALIDITY = timedelta(hours=1)
_CREDITS = 100
_SECONDS_MAX = 30.0
# Sorts after every real state entry, so the function stores no task token and requests nothing.
_LATER_ENTRY = "9999"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job whose execution waits for a task token, and the input of its state."""

    job: Job
    task_token: str
    entered_at: str
    retry_count: int


def until[Result](read: Callable[[], Result | None]) -> Result:
    """Call `read` until it returns a true value, and return the value. Raises TimeoutError."""
    give_up_at = time.monotonic() + _SECONDS_MAX
    while not (result := read()):
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"the local stack made no progress for {_SECONDS_MAX:.0f} seconds")
        time.sleep(0.05)
    return result


def account() -> AccountId:
    """Return a new account with credits."""
    opened = AccountId("web", str(uuid4()))
    grants.grant(
        opened, _CREDITS, reason="sample event", reference="sample-event", now=datetime.now(UTC)
    )
    return opened


def open_job(*, callback_url: str | None = None) -> Job:
    """Return a new job of a new account. Its credits are held, and it has no execution."""
    now = datetime.now(UTC)
    request = JobRequest(
        template="flux-schnell",
        parameters={"prompt": "a lighthouse at dawn"},
        callback_url=callback_url,
    )
    # A longer wait and a later deadline keep the job in its state.
    job = replace(
        build_job(request, account(), now=now),
        deadline_at=now + VALIDITY,
        wait_seconds=int(VALIDITY.total_seconds()),
    )
    held, _ = ledger.hold(job, key=None, now=now)
    checks.schedule_check(job.account, job.job_id, now + VALIDITY)
    return held


def waiting_job() -> Waiting:
    """Return a new job whose execution waits in RequestPrediction, without a prediction."""
    job = open_job()
    jobs.store_task_token(job, "none", _LATER_ENTRY, next_check_at=datetime.now(UTC) + VALIDITY)
    step_functions.start(job)
    payload = until(lambda: _submitted_payload(job))
    update(
        key_of(job.account, job.job_id), [JobRow.state_entry.remove(), JobRow.task_token.remove()]
    )
    return Waiting(
        jobs.read(job.account, job.job_id),
        payload["task_token"],
        payload["entered_at"],
        payload["retry_count"],
    )


def with_task_token(waiting: Waiting) -> Job:
    """Store the task token as the state's function does, and return the job."""
    stored = jobs.store_task_token(
        waiting.job,
        waiting.task_token,
        state_entry_name(datetime.fromisoformat(waiting.entered_at), waiting.retry_count),
        next_check_at=datetime.now(UTC) + VALIDITY,
    )
    return stored or waiting.job


def _submitted_payload(job: Job) -> dict[str, Any] | None:
    """Return the input of the state's function after the function has returned, else None."""
    arn = settings().state_machine_arn.replace(":stateMachine:", ":execution:")
    history = client("stepfunctions").get_execution_history(executionArn=f"{arn}:{job.job_id}")
    events = {event["type"]: event for event in history["events"]}
    if "TaskSubmitted" not in events:
        return None
    details = events["TaskScheduled"]["taskScheduledEventDetails"]
    payload: dict[str, Any] = json.loads(details["parameters"])["Payload"]
    return payload


def with_prediction(job: Job) -> Job:
    """Request a prediction of the job, wait until it has succeeded, and return the job.

    No webhook reports the end of the prediction, and the job does not record the end.
    """
    now = datetime.now(UTC)
    attempt = attempts.begin_attempt(job, state_entry_name(now, 0), lease_until=now, now=now)
    if attempt is None:
        raise LookupError(f"job {job.job_id} has another attempt")
    provider = load_provider(job.model_input.provider)
    created = provider.create(
        PredictionRequest(
            model_input=job.model_input,
            webhook_url=None,
            key_prefix=bucket.prefix_of(job.account, job.job_id),
            created_after=job.created_at,
            cancel_after_seconds=int(VALIDITY.total_seconds()),
        )
    )
    if isinstance(created, PartialPrediction):
        raise TypeError(f"job {job.job_id} needs another request")
    until(lambda: provider.get(created.prediction_id).status is PredictionStatus.SUCCEEDED)
    return _recorded(job, attempt, created.prediction_id)


def _recorded(job: Job, attempt: Attempt, prediction_id: str) -> Job:
    attempts.record_prediction(job, attempt, prediction_id, now=datetime.now(UTC))
    return jobs.read(job.account, job.job_id)


def with_outputs(job: Job) -> Job:
    """Store the outputs of the job's prediction, and return the job."""
    store_output.store_output(job.account, job.job_id)
    return jobs.read(job.account, job.job_id)


def ended(job: Job, *, announced: bool = True) -> Job:
    """End the job from its record, without an event on the bus, and return the job.

    Recovery announces a job that is not announced at its next run.
    """
    final = ledger.resolve(job.account, job.job_id, now=datetime.now(UTC))
    if announced:
        jobs.leave_open_jobs(final)
    else:
        checks.schedule_check(job.account, job.job_id, datetime.now(UTC))
    return final


def upload(owner: AccountId) -> str:
    """Announce an upload, send an image by its signed form, and return the upload's id."""
    announced, form = announce_upload.announce(
        owner, "image/png", bytes_max=settings().upload_bytes_max, now=datetime.now(UTC)
    )
    image = BytesIO()
    Image.new("RGB", (640, 480), "seagreen").save(image, "PNG")
    with requests.Session() as session:
        session.trust_env = False
        session.post(
            form["url"], data=form["fields"], files={"file": image.getvalue()}, timeout=10
        ).raise_for_status()
    return announced.upload_id
