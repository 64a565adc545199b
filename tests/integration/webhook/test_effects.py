"""Replicate's webhook: what a call can change, and what it never can."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import requests

from darkroom.aws import clients as aws_adapter
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.references import Reference
from darkroom.storage import jobs, ledger
from local.simulators.replicate import SimulatedReplicate
from tests.builders import ANN, held_job, image_job, stored, until
from tests.integration.webhook.wire import (
    LATER,
    SECRET,
    ask_replicate,
    attempt_of,
    call,
    prediction,
    put_secret,
    reference_of,
    seen_at,
    signed,
    tell,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestEffects:
    def test_start_sets_the_job_to_processing(self, job: Job) -> None:
        assert tell(job, "processing") == (200, {"noted": "started"})

        now = stored(job)
        assert (now.status, attempt_of(now).prediction_id, attempt_of(now).finished_at) == (
            JobStatus.PROCESSING,
            "prediction1",
            None,
        )
        assert now.started_at

    @pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "aborted"])
    def test_end_is_recorded_and_resumes_the_workflow(
        self, job: Job, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resumed: list[tuple[str, str]] = []
        states = aws_adapter.client("stepfunctions")
        monkeypatch.setattr(
            states,
            "send_task_success",
            lambda *, taskToken, output: resumed.append((taskToken, output)),  # noqa: N803 (AWS's own name)
        )

        assert tell(job, status) == (200, {"noted": "finished"})

        now = stored(job)
        assert (now.status, attempt_of(now).prediction_id) == (JobStatus.PROCESSING, "prediction1")
        assert attempt_of(now).finished_at
        assert resumed == [("token-of-the-entry", "{}")]

    def test_repeated_end_changes_nothing(self, job: Job) -> None:
        tell(job)
        before = stored(job)

        assert tell(job)[0] == 200
        assert stored(job) == before

    def test_start_after_the_end_changes_nothing(self, job: Job) -> None:
        tell(job)
        before = stored(job)

        assert tell(job, "processing")[0] == 200
        assert stored(job) == before

    @pytest.mark.parametrize("status", ["processing", "succeeded", "failed"])
    def test_final_job_does_not_change(self, job: Job, status: str) -> None:
        tell(job, "starting")
        ended = ledger.resolve(job.account, job.job_id, now=datetime.now(UTC))

        assert tell(job, status) == (200, {"noted": "late"})
        assert stored(job) == ended

    def test_unrecorded_prediction_of_a_final_job_is_an_orphan(self, job: Job) -> None:
        ended = ledger.resolve(job.account, job.job_id, now=datetime.now(UTC))

        assert tell(job, "processing") == (200, {"noted": "stray"})
        assert stored(job) == ended

    def test_end_without_a_waiting_execution_is_no_error(self, job: Job) -> None:
        # No execution of this job exists here, so its token is nobody's.
        assert tell(job) == (200, {"noted": "late"})

    def test_ignores_outputs_and_errors_in_the_body(self, job: Job) -> None:
        body = prediction(output=["https://replicate.delivery/evil.png"], error="E005")

        assert call(reference_of(job), body, signed(body))[0] == 200
        assert (stored(job).outputs, stored(job).failure) == ((), None)

    @pytest.mark.parametrize(
        ("whose", "status"),
        [("nobody's", "canceled"), ("the job's own", "canceled"), ("another job's", "processing")],
    )
    def test_cancels_an_orphan_unless_it_belongs_to_another_job(
        self, simulated_replicate: SimulatedReplicate, whose: str, status: str
    ) -> None:
        put_secret(SECRET)
        job, now = held_job(), datetime.now(UTC)
        attempt = jobs.begin_attempt(job, "entry", lease_until=now + LATER, now=now)
        assert attempt
        assert jobs.record_prediction(job, attempt, "prediction1", now=now)
        before = stored(job)
        webhooks = {
            "nobody's": None,
            "the job's own": reference_of(before),
            "another job's": str(Reference(ANN, image_job().job_id, attempt.nonce)),
        }
        requests.put(
            f"{simulated_replicate.base_url}/faults",
            json={"run_seconds": 60, "queue_seconds": 0},
            timeout=5,
        ).raise_for_status()
        created = ask_replicate(simulated_replicate, webhooks[whose])

        answered = tell(before, "processing", created["id"])

        assert answered == (200, {"noted": "stray"})
        assert stored(job) == before
        assert until(lambda: seen_at(simulated_replicate, created["id"]) == status)

    def test_accepts_the_webhook_when_the_orphan_cannot_be_canceled(self, job: Job) -> None:
        tell(job)
        before = stored(job)

        # Nobody listens at the provider's address here.
        assert tell(job, "succeeded", "prediction2") == (200, {"noted": "stray"})
        assert stored(job) == before

    def test_failed_recording_returns_a_server_error(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "record_prediction", lambda *_, **__: 1 / 0)

        # Replicate comes again after any 5xx.
        assert tell(job)[0] == 500
