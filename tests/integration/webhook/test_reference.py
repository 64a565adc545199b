"""Replicate's webhook: the reference in the URL selects the job and the attempt."""

from __future__ import annotations

import pytest

from darkroom.domain.jobs import Job
from darkroom.domain.references import Reference, new_nonce
from tests.builders import ANN, held_job, image_job, stored
from tests.integration.webhook.signed_webhooks import (
    SECRET,
    attempt_of,
    post_signed,
    post_webhook,
    prediction_body,
    put_secret,
    reference_of,
    signed_headers,
    webhook_url,
)

pytestmark = pytest.mark.usefixtures("aws")


def status_for(reference: str | None) -> int:
    """Send a signed webhook with this reference, and return the status of the response."""
    body = prediction_body()
    return post_webhook(reference, body, signed_headers(body))[0]


class TestReference:
    def test_does_not_find_a_missing_or_malformed_reference(self, job: Job) -> None:
        zeros = "/".join(["web", "ann", "0" * 36, "0" * 32])
        references = (None, "", "x", "web/ann", "web/ann/x/y", zeros)

        statuses = {reference: status_for(reference) for reference in references}

        assert statuses == dict.fromkeys(references, 404)
        assert stored(job) == job

    def test_does_not_find_an_unknown_job(self, job: Job) -> None:
        unknown = str(Reference(ANN, image_job().job_id, attempt_of(job).nonce))

        assert status_for(unknown) == 404

    def test_does_not_find_another_accounts_job(self, job: Job) -> None:
        foreign = reference_of(job).replace("web/ann", "web/bob")

        assert status_for(foreign) == 404

    def test_refuses_a_wrong_nonce(self, job: Job) -> None:
        guessed = str(Reference(job.account, job.job_id, new_nonce()))

        assert status_for(guessed) == 401
        assert stored(job) == job

    def test_refuses_any_nonce_before_the_first_attempt(self) -> None:
        put_secret(SECRET)
        job = held_job()

        assert status_for(str(Reference(job.account, job.job_id, new_nonce()))) == 401

    def test_checks_the_signature_before_the_reference_and_the_body(self, job: Job) -> None:
        assert post_webhook("web/ann/x/y", prediction_body(), {})[0] == 401
        assert post_webhook(reference_of(job), b"no json", {})[0] == 401


class TestWebhookUrl:
    @pytest.mark.parametrize("status", ["starting", "succeeded"])
    def test_ignores_a_webhook_for_another_job_or_attempt(self, job: Job, status: str) -> None:
        other_job = Reference(ANN, image_job().job_id, attempt_of(job).nonce)
        other_attempt = Reference(job.account, job.job_id, "0" * 32)

        for other in (other_job, other_attempt):
            body = prediction_body(status, webhook=webhook_url(str(other)))

            assert post_signed(job, body) == (200, {"noted": "stray"})
            assert stored(job) == job

    @pytest.mark.parametrize("safe", ["", "/"])
    def test_accepts_a_webhook_for_this_attempt(self, job: Job, safe: str) -> None:
        body = prediction_body("starting", webhook=webhook_url(reference_of(job), safe=safe))

        assert post_signed(job, body) == (200, {"noted": "started"})
        assert attempt_of(stored(job)).prediction_id == "prediction1"
