"""Replicate's webhook: only a signature with a current secret is accepted."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta

import pytest

from darkroom.aws import clients as aws_adapter
from darkroom.aws import secrets
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import attempts
from tests.aws import client, forget_settings
from tests.builders import held_job, stored
from tests.integration.broken_aws import failing_calls
from tests.integration.webhook.signed_webhooks import (
    LEASE,
    OTHER_SECRET,
    post_signed,
    post_webhook,
    prediction_body,
    put_secret,
    reference_of,
    send_webhook,
    signed_headers,
)

pytestmark = pytest.mark.usefixtures("aws")

THIRD_SECRET = "whsec_" + base64.b64encode(b"a third secret with 24 by").decode()


def assert_refused(job: Job, headers: dict[str, str], *, expected_status: int = 401) -> None:
    """Send a succeeded prediction with these headers. The job must not change."""
    status, problem = post_webhook(reference_of(job), prediction_body(), headers)

    assert status == expected_status, problem
    assert problem["status"] == expected_status
    assert stored(job) == job


def minutes_ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def test_accepts_a_valid_signature(job: Job) -> None:
    assert send_webhook(job)[0] == 200
    assert stored(job).status is JobStatus.PROCESSING


def test_refuses_an_unsigned_webhook(job: Job) -> None:
    assert_refused(job, {})


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_refuses_a_webhook_without_one_of_the_headers(job: Job, missing: str) -> None:
    headers = signed_headers(prediction_body())
    del headers[missing]

    assert_refused(job, headers)


@pytest.mark.parametrize("minutes", [5.1, 10, -5.1, -10])
def test_refuses_a_timestamp_outside_five_minutes(job: Job, minutes: float) -> None:
    assert_refused(job, signed_headers(prediction_body(), at=minutes_ago(minutes)))


@pytest.mark.parametrize("minutes", [4.9, -4.9])
def test_accepts_a_timestamp_within_five_minutes(job: Job, minutes: float) -> None:
    assert send_webhook(job, at=minutes_ago(minutes))[0] == 200


def test_refuses_a_webhook_older_than_the_setting(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_AGE_SECONDS_MAX", "60")
    forget_settings()

    assert_refused(job, signed_headers(prediction_body(), at=minutes_ago(2)))


def test_refuses_a_changed_body(job: Job) -> None:
    assert_refused(job, signed_headers(prediction_body("failed")))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_refuses_a_changed_signed_header(job: Job, name: str) -> None:
    headers = signed_headers(prediction_body())
    next_second = str(int(headers["webhook-timestamp"]) + 1)

    assert_refused(job, headers | {name: next_second})


def test_refuses_a_signature_with_another_secret(job: Job) -> None:
    assert_refused(job, signed_headers(prediction_body(), secret=OTHER_SECRET))


def test_accepts_one_valid_signature_among_several(job: Job) -> None:
    body = prediction_body()
    headers = signed_headers(body)
    headers["webhook-signature"] = f"v1,AAAA v1a,{'B' * 44} {headers['webhook-signature']}"

    assert post_webhook(reference_of(job), body, headers)[0] == 200


def test_is_unavailable_without_a_secret(job: Job) -> None:
    client("secretsmanager").delete_secret(
        SecretId=os.environ["REPLICATE_WEBHOOK_SECRET"], ForceDeleteWithoutRecovery=True
    )
    secrets._cache.clear()

    assert_refused(job, signed_headers(prediction_body()), expected_status=503)


def test_is_unavailable_with_an_empty_secret() -> None:
    job = held_job()
    now = datetime.now(UTC)
    attempts.begin_attempt(job, "entry", lease_until=now + LEASE, now=now)

    assert post_signed(stored(job), prediction_body())[0] == 503


def test_refuses_webhooks_while_the_secret_is_malformed(
    job: Job, subtests: pytest.Subtests
) -> None:
    for secret in ("whsec_", "whsec_?", "whsec_=", "é", " "):
        with subtests.test(secret=secret):
            # The second write makes the previous secret malformed too.
            put_secret(secret)
            put_secret(secret + " ")
            secrets._cache.clear()

            status, _ = send_webhook(job, secret=OTHER_SECRET)

            assert status in (401, 503)
            assert stored(job) == job


def test_accepts_only_the_current_and_the_previous_secret(job: Job) -> None:
    put_secret(OTHER_SECRET)
    secrets._cache.clear()
    assert send_webhook(job, "starting")[0] == 200
    assert send_webhook(job, "starting", secret=OTHER_SECRET)[0] == 200

    put_secret(THIRD_SECRET)
    secrets._cache.clear()

    assert send_webhook(job, "starting")[0] == 401
    assert send_webhook(job, "starting", secret=OTHER_SECRET)[0] == 200


def test_reads_the_secret_again_when_no_known_secret_matches(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkroom.providers.webhook_signature.REFETCH_SECONDS_MIN", 0.0)
    assert send_webhook(job, "starting")[0] == 200

    put_secret(OTHER_SECRET)

    assert send_webhook(job, "starting", secret=OTHER_SECRET)[0] == 200


def test_forged_webhooks_do_not_read_the_secret_again(job: Job) -> None:
    assert send_webhook(job, "starting")[0] == 200

    with failing_calls(aws_adapter.client("secretsmanager"), "GetSecretValue") as secret_reads:
        for _ in range(5):
            assert_refused(stored(job), {})

    assert secret_reads == []
