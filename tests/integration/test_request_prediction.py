"""The step RequestPrediction, with the real provider module and a simulated Replicate."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from darkroom.aws import secrets
from darkroom.domain.errors import GenerationFailed, RetryLater
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.provider_errors import ProviderUnavailable
from darkroom.storage import attempts, jobs, ledger
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, client, forget_settings, handler_of
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored, until
from tests.integration.steps import at, key, sends, with_setting

pytestmark = pytest.mark.usefixtures("aws")


def deadline_of(job: Job) -> datetime:
    """Return the deadline that the first request has set."""
    deadline = stored(job).deadline_at
    assert deadline
    return deadline


class TestRequestPrediction:
    @pytest.fixture(autouse=True)
    def replicate_without_webhooks(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.replicate = simulated_replicate
        # No server listens there, so no webhook arrives.
        with_setting(monkeypatch, "PUBLIC_URL", "http://127.0.0.1:9")
        self.faults(run_seconds=30)

    def faults(self, **faults: float) -> None:
        requests.put(f"{self.replicate.base_url}/faults", json=faults, timeout=5).raise_for_status()

    def predictions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(
            f"{self.replicate.base_url}/sim/predictions", timeout=5
        ).json()["predictions"]
        return found

    def enter(
        self, job: Job, *, token: str = "token", entered_at: datetime = NOON, retry_count: int = 0
    ) -> None:
        handler_of("request_prediction")(
            key(job, task_token=token, entered_at=entered_at.isoformat(), retry_count=retry_count),
            CONTEXT,
        )

    def test_stores_the_task_token_and_requests_the_jobs_input(self) -> None:
        job = held_job(num_outputs=2)

        self.enter(job)

        requested = stored(job)
        (created,) = self.predictions()
        assert requested.attempt
        assert requested.status is JobStatus.PROCESSING
        assert (requested.task_token, len(requested.attempts)) == ("token", 1)
        assert requested.attempt.prediction_id == created["id"]
        assert created["input"] == job.model_input.input
        assert created["webhook_events_filter"] == ["start", "completed"]
        reference = f"web%2Fann%2F{job.job_id}%2F{requested.attempt.nonce}"
        assert created["webhook"] == f"http://127.0.0.1:9/webhooks/replicate?job={reference}"
        deadline = datetime.fromisoformat(created["deadline"])
        assert requested.deadline_at
        assert timedelta(seconds=-2) < deadline - requested.deadline_at <= timedelta(seconds=1)
        assert "token" not in created["webhook"].replace("webhooks", "")

    def test_later_state_entry_polls_and_creates_no_prediction(self, resumed: list[str]) -> None:
        job = held_job()
        self.enter(job)

        self.enter(job, token="second", entered_at=NOON + timedelta(seconds=15))

        assert stored(job).task_token == "second"
        assert len(self.predictions()) == 1
        assert resumed == []

    def test_state_entry_resumes_when_the_prediction_has_finished(self, resumed: list[str]) -> None:
        self.faults(run_seconds=0, queue_seconds=0)
        job = held_job()
        self.enter(job)
        until(lambda: self.predictions()[0]["status"] == "succeeded")

        self.enter(job, token="second", entered_at=NOON + timedelta(seconds=15))

        assert resumed == ["second"]

    def test_retry_finds_the_prediction_of_a_crashed_invocation(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        with monkeypatch.context() as patch:
            patch.setattr(attempts, "record_prediction", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                self.enter(job)
        assert stored(job).status is JobStatus.PENDING

        self.enter(job, retry_count=1)

        (created,) = self.predictions()
        found = stored(job)
        assert found.attempt
        assert (found.attempt.prediction_id, found.status) == (created["id"], JobStatus.PROCESSING)

    def test_sends_no_request_during_the_lease_of_another_invocation(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, now = held_job(), datetime.now(UTC)
        assert attempts.begin_attempt(
            job, "entry", lease_until=now + timedelta(seconds=35), now=now
        )

        for seconds in (0, 34):
            at(monkeypatch, now + timedelta(seconds=seconds))
            with sends(RetryLater):
                self.enter(job, entered_at=NOON + timedelta(seconds=seconds))
        assert self.predictions() == []
        at(monkeypatch, now + timedelta(seconds=36))
        self.enter(job, entered_at=NOON + timedelta(seconds=36))

        assert len(self.predictions()) == 1
        assert len(stored(job).attempts) == 1

    def test_finds_the_prediction_after_a_lost_response(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        self.faults(lost_create_answer=1, run_seconds=30)
        with sends(RetryLater) as retry:
            self.enter(job)
        self.faults(run_seconds=30)
        at(monkeypatch, retry.at)

        self.enter(job, entered_at=NOON + timedelta(seconds=5))

        (created,) = self.predictions()
        found = stored(job)
        assert found.attempt
        assert found.attempt.prediction_id == created["id"]

    def test_polls_without_a_public_url(
        self, monkeypatch: pytest.MonkeyPatch, resumed: list[str]
    ) -> None:
        with_setting(monkeypatch, "PUBLIC_URL", "")
        job, now = held_job(), datetime.now(UTC).replace(microsecond=0)
        poll_delays = []
        for seconds in (0, 6, 60, 200):
            at(monkeypatch, now + timedelta(seconds=seconds))
            with sends(RetryLater) as retry:
                self.enter(job, entered_at=NOON + timedelta(seconds=seconds))
            poll_delays.append((retry.at - now).total_seconds() - seconds)

        (created,) = self.predictions()
        assert created.get("webhook") is None
        # A quarter of the time since the request, from 5 to 30 seconds, plus one second.
        assert poll_delays == [6, 6, 16, 31]
        assert resumed == []

    def test_retry_sends_no_second_request_without_a_public_url(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "PUBLIC_URL", "")
        job = held_job()
        self.faults(lost_create_answer=1, run_seconds=30)
        with sends(RetryLater) as retry:
            self.enter(job)
        self.faults(run_seconds=30)
        at(monkeypatch, retry.at)

        with sends(RetryLater):
            self.enter(job, retry_count=1)

        assert len(self.predictions()) == 1

    def test_lost_response_fails_the_job_without_a_public_url(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "PUBLIC_URL", "")
        job, now = held_job(), datetime.now(UTC)
        self.faults(lost_create_answer=1, run_seconds=30)
        with sends(RetryLater):
            self.enter(job)
        self.faults(run_seconds=30)
        at(monkeypatch, now + timedelta(seconds=90))

        with sends(GenerationFailed):
            self.enter(job, entered_at=NOON + timedelta(seconds=90))

        assert stored(job).failure == failure(FailureCode.PROVIDER_UNAVAILABLE)
        assert len(self.predictions()) == 1

    def test_requests_again_when_the_first_request_created_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, now = held_job(), datetime.now(UTC)
        self.faults(unavailable=1)
        with sends(RetryLater):
            self.enter(job)
        with pytest.raises(ProviderUnavailable):
            self.enter(job, entered_at=NOON + timedelta(seconds=5))
        self.faults(run_seconds=30)
        with sends(RetryLater):
            self.enter(job, entered_at=NOON + timedelta(seconds=10))
        assert self.predictions() == []
        at(monkeypatch, now + timedelta(seconds=90))

        self.enter(job, entered_at=NOON + timedelta(seconds=90))

        assert len(self.predictions()) == 1
        recorded_job = stored(job)
        assert recorded_job.attempt
        assert (recorded_job.attempt.requests_count, recorded_job.failure) == (2, None)

    def test_unavailable_provider_fails_the_job_at_the_deadline(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        self.faults(unavailable=1)
        with sends(RetryLater):
            self.enter(job)
        self.faults(run_seconds=30)
        at(monkeypatch, deadline_of(job))

        with sends(GenerationFailed):
            self.enter(job, entered_at=NOON + timedelta(minutes=9))

        assert (stored(job).failure, self.predictions()) == (
            failure(FailureCode.PROVIDER_UNAVAILABLE),
            [],
        )

    def test_running_prediction_fails_the_job_at_the_deadline(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        self.enter(job)
        at(monkeypatch, deadline_of(job))

        with sends(GenerationFailed):
            self.enter(job, entered_at=NOON + timedelta(minutes=5))

        assert stored(job).failure == failure(FailureCode.DEADLINE_EXCEEDED)

    def test_finished_prediction_counts_after_the_deadline(
        self, monkeypatch: pytest.MonkeyPatch, resumed: list[str]
    ) -> None:
        self.faults(run_seconds=0, queue_seconds=0)
        job = held_job()
        self.enter(job)
        until(lambda: self.predictions()[0]["status"] == "succeeded")
        at(monkeypatch, deadline_of(job) + timedelta(seconds=30))

        self.enter(job, token="late", entered_at=NOON + timedelta(minutes=6))

        assert resumed == ["late"]
        assert stored(job).failure is None

    def test_throttled_request_waits_as_long_as_the_provider_says(self) -> None:
        job, now = held_job(), datetime.now(UTC)
        self.faults(throttle=1)

        with sends(RetryLater) as retry:
            self.enter(job)

        waiting = stored(job)
        assert waiting.waiting_since
        assert timedelta(seconds=2) <= retry.at - now <= timedelta(seconds=6)
        assert retry.task_token == "token"
        assert (waiting.status, self.predictions()) == (JobStatus.PENDING, [])
        self.faults(run_seconds=30)
        self.enter(job, entered_at=NOON + timedelta(seconds=5))

        assert len(self.predictions()) == 1
        assert (stored(job).status, stored(job).waiting_since) == (JobStatus.PROCESSING, None)

    def test_refused_input_fails_the_job_with_the_providers_message(self) -> None:
        job = image_job()
        open_account(100)
        job, _ = ledger.hold(
            replace(job, model_input=replace(job.model_input, input={"prompt": 7})),
            key=None,
            now=NOON,
        )

        with sends(GenerationFailed) as failed:
            self.enter(job)

        recorded = stored(job).failure
        assert recorded
        assert recorded.code is FailureCode.INVALID_INPUT
        assert "Expected: string" in recorded.message
        assert failed.message == "invalid_input"

    @pytest.mark.parametrize(
        ("fault", "unknown_seconds"), [("unavailable", 10), ("lost_create_answer", 60)]
    )
    def test_lease_covers_the_time_of_an_unknown_result(
        self, fault: str, unknown_seconds: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, now = held_job(), datetime.now(UTC)
        at(monkeypatch, now)
        self.faults(**{fault: 1})

        with sends(RetryLater):
            self.enter(job)

        recorded_job = stored(job)
        assert recorded_job.attempt
        assert (recorded_job.attempt.lease_until, recorded_job.waiting_since) == (
            now + timedelta(seconds=unknown_seconds),
            now,
        )

    def test_reads_a_rotated_token_again(self) -> None:
        secret_id = os.environ["REPLICATE_TOKEN_SECRET"]
        client("secretsmanager").put_secret_value(SecretId=secret_id, SecretString="revoked")
        forget_settings()
        secrets.secret_values(secret_id)
        client("secretsmanager").put_secret_value(SecretId=secret_id, SecretString="r8_new")
        cached = secrets._cache[secret_id]
        secrets._cache[secret_id] = replace(
            cached, fetched_at=cached.fetched_at - secrets.REFETCH_SECONDS_MIN - 1
        )

        self.enter(held_job())

        assert len(self.predictions()) == 1

    def test_a_refused_token_makes_the_job_wait(self) -> None:
        client("secretsmanager").put_secret_value(
            SecretId=os.environ["REPLICATE_TOKEN_SECRET"], SecretString="wrong"
        )
        forget_settings()
        job = held_job()

        with sends(RetryLater):
            self.enter(job)

        assert (stored(job).failure, stored(job).deadline_at) == (None, None)

    def test_requests_nothing_after_queue_until(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        at(monkeypatch, job.queue_until)

        with sends(GenerationFailed):
            self.enter(job)

        assert (stored(job).failure, stored(job).deadline_at, self.predictions()) == (
            failure(FailureCode.QUEUE_TIMEOUT),
            None,
            [],
        )

    def test_the_first_request_sets_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        requested_at = job.queue_until - timedelta(seconds=1)
        at(monkeypatch, requested_at)

        self.enter(job)

        assert stored(job).deadline_at == requested_at + timedelta(seconds=job.seconds_max or 0)

    def test_older_state_entry_does_nothing(self, resumed: list[str]) -> None:
        job = held_job()
        jobs.store_task_token(job, "new", "2026-01-02T12:00:30.000000#000", next_check_at=NOON)

        self.enter(job, token="old")

        assert (stored(job).task_token, self.predictions(), resumed) == ("new", [], [])

    def test_final_job_resumes_at_once(self, resumed: list[str]) -> None:
        job = held_job()
        final = ledger.resolve(ANN, job.job_id, now=NOON)

        self.enter(job)

        assert (stored(job), self.predictions(), resumed) == (final, [], ["token"])
