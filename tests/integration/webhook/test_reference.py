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


class TestWhichJob:
    @pytest.mark.parametrize(
        "reference",
        [None, "", "x", "web/ann", "web/ann/x/y", "/".join(["web", "ann", "0" * 36, "0" * 32])],
    )
    def test_a_missing_or_malformed_reference_leads_nowhere(
        self, job: Job, reference: str | None
    ) -> None:
        assert call(reference, prediction(), signed(prediction()))[0] == 404
        assert stored(job) == job

    def test_a_job_that_is_not_there_is_not_found(self, job: Job) -> None:
        nowhere = str(Reference(ANN, image_job().job_id, attempt_of(job).nonce))

        assert call(nowhere, prediction(), signed(prediction()))[0] == 404

    def test_another_accounts_job_is_not_found(self, job: Job) -> None:
        theirs = reference_of(job).replace("web/ann", "web/bob")

        assert call(theirs, prediction(), signed(prediction()))[0] == 404

    def test_a_wrong_nonce_is_refused(self, job: Job) -> None:
        guessed = str(Reference(job.account, job.job_id, new_nonce()))

        assert call(guessed, prediction(), signed(prediction()))[0] == 401
        assert stored(job) == job

    def test_a_job_that_was_never_requested_refuses_any_nonce(self) -> None:
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

    def test_the_signature_is_checked_before_anything_is_told(self, job: Job) -> None:
        assert call("web/ann/x/y", prediction(), {})[0] == 401
        assert call(reference_of(job), b"no json", {})[0] == 401


class TestWhatItSays:
    @pytest.mark.parametrize("status", ["starting", "succeeded"])
    def test_a_webhook_of_another_job_or_attempt_is_not_used_for_this_one(
        self, job: Job, status: str
    ) -> None:
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
    def test_what_was_meant_for_this_attempt_is_its_own(self, job: Job, safe: str) -> None:
        body = prediction(
            "starting",
            webhook=f"https://darkroom.test/webhooks/replicate?job={quote(reference_of(job), safe=safe)}",
        )

        assert call(reference_of(job), body, signed(body)) == (200, {"noted": "started"})
        assert attempt_of(stored(job)).prediction_id == "prediction1"
