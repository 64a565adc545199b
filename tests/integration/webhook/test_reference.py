"""Replicate's webhook: which job a call means."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from darkroom.domain.jobs import Job
from darkroom.domain.references import Reference, new_nonce
from tests.builders import ANN, held_job, image_job, stored
from tests.integration.webhook.wire import (
    SECRET,
    attempt_of,
    call,
    prediction,
    put_secret,
    reference_of,
    signed,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestReference:
    @pytest.mark.parametrize(
        "reference",
        [None, "", "x", "web/ann", "web/ann/x/y", "/".join(["web", "ann", "0" * 36, "0" * 32])],
    )
    def test_does_not_find_a_missing_or_malformed_reference(
        self, job: Job, reference: str | None
    ) -> None:
        assert call(reference, prediction(), signed(prediction()))[0] == 404
        assert stored(job) == job

    def test_does_not_find_an_unknown_job(self, job: Job) -> None:
        nowhere = str(Reference(ANN, image_job().job_id, attempt_of(job).nonce))

        assert call(nowhere, prediction(), signed(prediction()))[0] == 404

    def test_does_not_find_another_accounts_job(self, job: Job) -> None:
        theirs = reference_of(job).replace("web/ann", "web/bob")

        assert call(theirs, prediction(), signed(prediction()))[0] == 404

    def test_refuses_a_wrong_nonce(self, job: Job) -> None:
        guessed = str(Reference(job.account, job.job_id, new_nonce()))

        assert call(guessed, prediction(), signed(prediction()))[0] == 401
        assert stored(job) == job

    def test_refuses_any_nonce_before_the_first_attempt(self) -> None:
        put_secret(SECRET)
        job = held_job()

        assert (
            call(
                str(Reference(job.account, job.job_id, new_nonce())),
                prediction(),
                signed(prediction()),
            )[0]
            == 401
        )

    def test_checks_the_signature_before_the_reference_and_the_body(self, job: Job) -> None:
        assert call("web/ann/x/y", prediction(), {})[0] == 401
        assert call(reference_of(job), b"no json", {})[0] == 401


class TestWebhookUrl:
    @pytest.mark.parametrize("status", ["starting", "succeeded"])
    def test_ignores_a_webhook_for_another_job_or_attempt(self, job: Job, status: str) -> None:
        another = (
            Reference(ANN, image_job().job_id, attempt_of(job).nonce),
            Reference(job.account, job.job_id, "0" * 32),
        )
        for meant_for in another:
            body = prediction(
                status,
                webhook=f"https://darkroom.test/webhooks/replicate?job={quote(str(meant_for), safe='')}",
            )

            assert call(reference_of(job), body, signed(body)) == (200, {"noted": "stray"})
            assert stored(job) == job

    @pytest.mark.parametrize("safe", ["", "/"])
    def test_accepts_a_webhook_for_this_attempt(self, job: Job, safe: str) -> None:
        body = prediction(
            "starting",
            webhook=f"https://darkroom.test/webhooks/replicate?job={quote(reference_of(job), safe=safe)}",
        )

        assert call(reference_of(job), body, signed(body)) == (200, {"noted": "started"})
        assert attempt_of(stored(job)).prediction_id == "prediction1"
