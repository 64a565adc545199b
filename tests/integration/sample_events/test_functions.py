"""Each function accepts its own sample events."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import boto3
from standardwebhooks import Webhook

from darkroom import catalog
from darkroom.domain.accounts import Balance
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Attempt, Job, JobStatus
from darkroom.domain.references import Reference
from darkroom.services.callbacks import secrets_of
from darkroom.storage import attempts, ledger
from darkroom.storage.job_rows import CheckQueue
from local.simulators.replicate import SimulatedReplicate
from tests.builders import open_account, stored
from tests.integration.sample_events.samples import (
    ACCOUNT,
    FIRST_ENTRY,
    JOB_ID,
    PREDICTION_FINISHED,
    created_predictions,
    invoke_with_sample,
    job_with_finished_prediction,
    messages_in,
    sample,
    sample_job,
)
from tests.integration.steps import due_job_ids


def test_sample_submission_creates_a_job(aws: None) -> None:
    open_account(100, ACCOUNT)

    response = invoke_with_sample("api/submit_job")
    job = json.loads(response["body"])

    assert response["statusCode"] == 202
    assert response["headers"]["Location"] == f"/jobs/{job['id']}"
    assert (job["status"], job["credits"]["held"]) == ("pending", 10)
    assert ledger.balance(ACCOUNT) == Balance(
        available=90, held=10, granted=100, in_flight=1, jobs_total=1
    )


def test_sample_submission_needs_credits(aws: None) -> None:
    assert invoke_with_sample("api/submit_job")["statusCode"] == 402
    assert ledger.balance(ACCOUNT) == Balance()


def test_sample_template_request_returns_the_catalog(aws: None) -> None:
    response = invoke_with_sample("api/list_templates")

    assert response["statusCode"] == 200
    listed = [template["code"] for template in json.loads(response["body"])["templates"]]
    assert listed == [
        code for code, template in catalog.templates().items() if not template.off_by_default
    ]


def test_sample_grant_adds_credits_once(aws: None) -> None:
    assert [invoke_with_sample("api/grant_credits")["statusCode"] for _ in range(2)] == [201, 200]
    assert ledger.balance(ACCOUNT) == Balance(available=100, granted=100)


def test_sample_grant_needs_an_administrator(aws: None) -> None:
    event = sample("api/grant_credits")
    event["requestContext"]["authorizer"]["jwt"]["claims"]["cognito:groups"] = "[not-admin users]"

    assert invoke_with_sample("api/grant_credits", event)["statusCode"] == 403
    assert ledger.balance(ACCOUNT) == Balance()


def test_repeated_sample_state_entry_creates_one_prediction(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = sample_job()

    invoke_with_sample(FIRST_ENTRY)
    invoke_with_sample(FIRST_ENTRY)

    [prediction] = created_predictions(simulated_replicate)
    recorded = stored(job)
    assert [attempt.prediction_id for attempt in recorded.attempts] == [prediction["id"]]
    assert (recorded.status, recorded.task_token) == (
        JobStatus.PROCESSING,
        sample(FIRST_ENTRY)["task_token"],
    )


def begin_attempt(job: Job) -> Attempt:
    now = datetime.now(UTC)
    attempt = attempts.begin_attempt(job, "entry", lease_until=now, now=now)
    assert attempt
    return attempt


def signed_webhook_event(event: dict[str, Any], attempt: Attempt, secret: str) -> dict[str, Any]:
    """Return the event with a current signature and with the webhook URL of this attempt."""
    now = datetime.now(UTC)
    reference = str(Reference(ACCOUNT, JOB_ID, attempt.nonce))
    query = f"job={quote(reference, safe='')}"
    url = f"https://{event['requestContext']['domainName']}{event['rawPath']}?{query}"
    body = json.dumps(json.loads(event["body"]) | {"webhook": url})
    signature = Webhook(secret).sign(event["headers"]["webhook-id"], now, body)
    headers = event["headers"] | {
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return event | {
        "body": body,
        "headers": headers,
        "rawQueryString": query,
        "queryStringParameters": {"job": reference},
    }


def test_sample_webhook_has_an_invalid_signature(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = sample_job()
    begin_attempt(job)
    before = stored(job)

    assert invoke_with_sample("receive_prediction/replicate_calls")["statusCode"] == 401
    assert stored(job) == before


def test_signed_sample_webhook_is_recorded(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = sample_job()
    event = signed_webhook_event(
        sample("receive_prediction/replicate_calls"),
        begin_attempt(job),
        simulated_replicate.webhook_secret,
    )

    response = invoke_with_sample("receive_prediction/replicate_calls", event)

    recorded = stored(job)
    assert response["statusCode"] == 200
    assert recorded.attempt
    assert (recorded.status, recorded.attempt.prediction_id) == (
        JobStatus.PROCESSING,
        json.loads(event["body"])["id"],
    )
    assert recorded.attempt.finished_at


def test_sample_of_an_unknown_path_is_not_found() -> None:
    response = invoke_with_sample("unknown_path/unknown_path")

    assert response["statusCode"] == 404
    assert json.loads(response["body"])["detail"] == "There is no such path: /wp-login.php."


def test_sample_of_a_full_provider_gives_the_free_slot_to_the_job(
    simulated_replicate: SimulatedReplicate, resumed: list[str]
) -> None:
    job = sample_job()

    invoke_with_sample("wait_for_slot/provider_is_full")

    assert stored(job).slot
    assert resumed == [sample("wait_for_slot/provider_is_full")["task_token"]]


def test_sample_of_a_finished_prediction_stores_the_output(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = job_with_finished_prediction(simulated_replicate)

    invoke_with_sample(PREDICTION_FINISHED)

    [output] = stored(job).outputs
    listed = boto3.client("s3").list_objects_v2(Bucket=os.environ["MEDIA_BUCKET"])["Contents"]
    assert {found["Key"]: found["Size"] for found in listed}[output.key] == output.bytes
    previews = {preview.key for preview in output.previews}
    assert {found["Key"] for found in listed} == {output.key, output.thumbnail_key} | previews


def test_sample_of_stored_outputs_completes_the_job(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = job_with_finished_prediction(simulated_replicate)
    invoke_with_sample(PREDICTION_FINISHED)

    invoke_with_sample("complete_job/outputs_stored")

    final = stored(job)
    assert (final.status, final.charged, final.refunded) == (JobStatus.COMPLETED, 10, 0)
    assert ledger.balance(ACCOUNT) == Balance(available=90, spent=10, granted=100, jobs_total=1)


def test_sample_of_a_failure_refunds_the_credits(aws: None) -> None:
    job = sample_job()

    assert invoke_with_sample("refund_job/provider_unavailable") == {"fault": True}

    final = stored(job)
    assert final.failure
    assert (final.status, final.failure.code) == (
        JobStatus.FAILED,
        FailureCode.PROVIDER_UNAVAILABLE,
    )
    assert (final.charged, final.refunded) == (0, 10)
    assert ledger.balance(ACCOUNT) == Balance(available=100, granted=100, jobs_total=1)


def test_sample_message_sends_the_callback(
    aws: None, callbacks: tuple[str, list[tuple[dict[str, str], bytes]]]
) -> None:
    url, received = callbacks
    sample_job(callback_url=url)
    ledger.resolve(ACCOUNT, JOB_ID, now=datetime.now(UTC))

    response = invoke_with_sample("notify_client/job_ended")

    [(headers, body)] = received
    document = Webhook(secrets_of(ACCOUNT, now=datetime.now(UTC)).current).verify(body, headers)
    assert response == {"batchItemFailures": []}
    assert (document["type"], document["data"]["id"]) == ("job.failed", JOB_ID)


def test_sample_schedule_announces_an_unannounced_job(queue: str) -> None:
    job = sample_job(callback_url="https://example.com/", age=timedelta(minutes=2))
    ledger.resolve(ACCOUNT, JOB_ID, now=datetime.now(UTC))
    assert messages_in(queue) == []

    invoke_with_sample("recover_jobs/every_minute")

    [event] = messages_in(queue)
    assert (event["detail-type"], event["detail"]["id"]) == (
        "job.failed",
        f"{job.job_id}.failed",
    )
    assert due_job_ids(CheckQueue.OPEN, now=datetime.now(UTC) + timedelta(days=1)) == []
