"""Replicate's webhook: what a valid webhook changes, and what it cannot change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from darkroom.aws import clients as aws_adapter
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.references import Reference
from darkroom.storage import attempts, ledger, spend
from local.simulators.replicate import SimulatedReplicate
from tests.builders import ANN, held_job, image_job, stored, until
from tests.integration.webhook.signed_webhooks import (
    LEASE,
    SECRET,
    attempt_of,
    post_signed,
    prediction_body,
    put_secret,
    reference_of,
    send_webhook,
    webhook_url,
)

pytestmark = pytest.mark.usefixtures("aws")

NO_SERVER = "http://127.0.0.1:9"


def create_prediction(replicate: SimulatedReplicate, reference: str | None) -> str:
    """Create a prediction whose webhook URL has this reference, and return its id."""
    body: dict[str, Any] = {"input": {"prompt": "x"}}
    if reference:
        body |= {"webhook": webhook_url(reference, base_url=NO_SERVER)}
    created: dict[str, str] = requests.post(
        f"{replicate.base_url}/v1/models/black-forest-labs/flux-schnell/predictions",
        json=body,
        headers={"Authorization": "Bearer r8_test"},
        timeout=5,
    ).json()
    return created["id"]


def prediction_status(replicate: SimulatedReplicate, prediction_id: str) -> str:
    response = requests.get(f"{replicate.base_url}/sim/predictions", timeout=5)
    statuses: dict[str, str] = {
        prediction["id"]: prediction["status"] for prediction in response.json()["predictions"]
    }
    return statuses[prediction_id]


def test_start_sets_the_job_to_processing(job: Job) -> None:
    assert send_webhook(job, "processing") == (200, {"noted": "started"})

    started = stored(job)
    assert started.status is JobStatus.PROCESSING
    assert attempt_of(started).prediction_id == "prediction1"
    assert attempt_of(started).finished_at is None
    assert started.started_at


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "aborted"])
def test_end_is_recorded_and_resumes_the_workflow(
    job: Job, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[tuple[str, str]] = []
    monkeypatch.setattr(
        aws_adapter.client("stepfunctions"),
        "send_task_success",
        lambda *, taskToken, output: resumed.append((taskToken, output)),  # noqa: N803
    )

    assert send_webhook(job, status) == (200, {"noted": "finished"})

    finished = stored(job)
    assert finished.status is JobStatus.PROCESSING
    assert attempt_of(finished).prediction_id == "prediction1"
    assert attempt_of(finished).finished_at
    assert resumed == [("token-of-the-entry", "{}")]


@pytest.mark.parametrize("status", ["succeeded", "processing"])
def test_later_webhook_does_not_change_the_recorded_end(job: Job, status: str) -> None:
    send_webhook(job, "succeeded")
    before = stored(job)

    assert send_webhook(job, status)[0] == 200
    assert stored(job) == before


@pytest.mark.parametrize("status", ["processing", "succeeded", "failed"])
def test_final_job_does_not_change(job: Job, status: str) -> None:
    send_webhook(job, "starting")
    final = ledger.resolve(job.account, job.job_id, now=datetime.now(UTC))

    assert send_webhook(job, status) == (200, {"noted": "late"})
    assert stored(job) == final


def test_unrecorded_prediction_of_a_final_job_is_an_orphan(job: Job) -> None:
    final = ledger.resolve(job.account, job.job_id, now=datetime.now(UTC))

    assert send_webhook(job, "processing") == (200, {"noted": "stray"})
    assert stored(job) == final


def test_the_first_webhook_of_a_prediction_counts_its_cost_once(job: Job) -> None:
    for status in ("starting", "processing", "succeeded", "succeeded"):
        assert send_webhook(job, status)[0] == 200

    today = datetime.now(UTC).date()
    (spent,) = spend.spend_between("replicate", today - timedelta(days=1), today)
    assert (spent.template, spent.predictions, spent.micro_usd) == ("flux-schnell", 1, 3_000)


def test_end_without_a_waiting_execution_is_accepted(job: Job) -> None:
    # The job has no execution here, so AWS does not know its task token.
    assert send_webhook(job) == (200, {"noted": "late"})


def test_ignores_outputs_and_errors_in_the_body(job: Job) -> None:
    body = prediction_body(output=["https://replicate.delivery/evil.png"], error="E005")

    assert post_signed(job, body)[0] == 200
    assert (stored(job).outputs, stored(job).failure) == ((), None)


@pytest.mark.parametrize(
    ("owner", "expected_status"),
    [("no job", "canceled"), ("this job", "canceled"), ("another job", "processing")],
)
def test_cancels_an_orphan_unless_it_belongs_to_another_job(
    simulated_replicate: SimulatedReplicate, owner: str, expected_status: str
) -> None:
    put_secret(SECRET)
    job, now = held_job(), datetime.now(UTC)
    attempt = attempts.begin_attempt(job, "entry", lease_until=now + LEASE, now=now)
    assert attempt
    assert attempts.record_prediction(job, attempt, "prediction1", now=now)
    before = stored(job)
    references = {
        "no job": None,
        "this job": reference_of(before),
        "another job": str(Reference(ANN, image_job().job_id, attempt.nonce)),
    }
    requests.put(
        f"{simulated_replicate.base_url}/faults",
        json={"run_seconds": 60, "queue_seconds": 0},
        timeout=5,
    ).raise_for_status()
    orphan_id = create_prediction(simulated_replicate, references[owner])

    response = send_webhook(before, "processing", orphan_id)

    assert response == (200, {"noted": "stray"})
    assert stored(job) == before
    assert until(lambda: prediction_status(simulated_replicate, orphan_id) == expected_status)


def test_accepts_the_webhook_when_the_orphan_cannot_be_canceled(job: Job) -> None:
    send_webhook(job)
    before = stored(job)

    # No server listens at the provider's address.
    assert send_webhook(job, "succeeded", "prediction2") == (200, {"noted": "stray"})
    assert stored(job) == before


def test_failed_recording_returns_a_server_error(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "record_prediction", lambda *_, **__: 1 / 0)

    # Replicate sends a webhook again after any 5xx.
    assert send_webhook(job)[0] == 500
