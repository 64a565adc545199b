"""An interrupted prediction is requested once more, as a recorded second attempt."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.errors import GenerationFailed, RetryLater
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.predictions import Prediction, PredictionStatus
from darkroom.providers import replicate
from darkroom.services import receive_webhook
from darkroom.storage import attempts, ledger
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, Workflow, handler_of
from tests.builders import NOON, held_job, image_job, open_account, stored, until
from tests.integration.servers import webhook_endpoint
from tests.integration.steps import at, key, sends, with_setting

pytestmark = pytest.mark.usefixtures("aws")


class TestSecondAttempt:
    @pytest.fixture(autouse=True)
    def replicate_that_interrupts(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.replicate = simulated_replicate
        with_setting(monkeypatch, "PUBLIC_URL", "http://127.0.0.1:9")
        self.faults(fail=1)

    def faults(self, **faults: float) -> None:
        all_faults = {"run_seconds": 0, "queue_seconds": 0, **faults}
        requests.put(
            f"{self.replicate.base_url}/faults", json=all_faults, timeout=5
        ).raise_for_status()

    def predictions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(
            f"{self.replicate.base_url}/sim/predictions", timeout=5
        ).json()["predictions"]
        return found

    def enter(self, job: Job, *, state_entry: int = 0) -> None:
        entered_at = NOON + timedelta(seconds=state_entry)
        handler_of("request_prediction")(
            key(
                job,
                task_token=f"token {state_entry}",
                entered_at=entered_at.isoformat(),
                retry_count=0,
            ),
            CONTEXT,
        )

    def wait_for_failed_predictions(self, count: int) -> None:
        until(lambda: [each["status"] for each in self.predictions()].count("failed") == count)

    def interrupted_job(self) -> Job:
        job = held_job()
        self.enter(job)
        self.wait_for_failed_predictions(1)
        return job

    def test_second_attempt_has_its_own_nonce(self) -> None:
        job = self.interrupted_job()
        with pytest.raises(RetryLater):
            handler_of("store_output")(key(job), CONTEXT)
        self.faults(run_seconds=30)

        self.enter(job, state_entry=1)

        first, second = stored(job).attempts
        assert first.nonce != second.nonce
        assert first.finished_at
        assert [first.prediction_id, second.prediction_id] == [
            each["id"] for each in self.predictions()
        ]
        assert (second.number, stored(job).status) == (2, JobStatus.PROCESSING)

    def test_third_attempt_never_happens(self) -> None:
        job = self.interrupted_job()
        self.enter(job, state_entry=1)
        self.wait_for_failed_predictions(2)

        self.enter(job, state_entry=2)
        with pytest.raises(GenerationFailed):
            handler_of("store_output")(key(job), CONTEXT)

        assert len(self.predictions()) == 2
        assert stored(job).failure == failure(FailureCode.PREDICTION_FAILED)

    def test_second_attempt_follows_a_lost_response(self) -> None:
        self.faults(fail=1, lost_create_answer=1)
        job = held_job()
        with sends(RetryLater):
            self.enter(job)
        self.wait_for_failed_predictions(1)
        self.faults(run_seconds=30)

        self.enter(job, state_entry=1)

        first, second = stored(job).attempts
        assert [first.prediction_id, second.prediction_id] == [
            each["id"] for each in self.predictions()
        ]
        assert first.finished_at

    def test_interrupted_prediction_of_a_create_resumes_the_workflow(
        self, monkeypatch: pytest.MonkeyPatch, resumed: list[str]
    ) -> None:
        interrupted = Prediction(
            "p-interrupted",
            PredictionStatus.FAILED,
            failure=failure(FailureCode.PREDICTION_FAILED),
            retryable=True,
        )
        monkeypatch.setattr(replicate, "create", lambda _: interrupted)
        job = held_job()

        self.enter(job)

        assert resumed == ["token 0"]
        assert [attempt.prediction_id for attempt in stored(job).attempts] == ["p-interrupted"]

    def test_refused_prompt_has_no_second_attempt(self) -> None:
        self.faults(flag_sensitive=1)
        job = held_job()
        self.enter(job)
        self.wait_for_failed_predictions(1)

        with pytest.raises(GenerationFailed):
            handler_of("store_output")(key(job), CONTEXT)
        self.enter(job, state_entry=1)

        assert len(self.predictions()) == 1
        assert len(stored(job).attempts) == 1

    def test_second_attempt_needs_time_before_the_deadline(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = self.interrupted_job()
        deadline = stored(job).deadline_at
        assert deadline
        at(monkeypatch, deadline - timedelta(seconds=4))

        with pytest.raises(GenerationFailed):
            handler_of("store_output")(key(job), CONTEXT)
        self.enter(job, state_entry=1)

        assert len(self.predictions()) == 1

    def test_only_one_invocation_begins_the_second_attempt(self) -> None:
        job = self.interrupted_job()
        now, known_job = datetime.now(UTC), stored(job)

        first, second = (
            attempts.begin_attempt(known_job, "entry", lease_until=now, now=now) for _ in range(2)
        )

        assert first
        assert second is None
        assert len(stored(job).attempts) == 2

    def test_late_webhook_of_the_first_attempt_resumes_nothing(self, resumed: list[str]) -> None:
        job = self.interrupted_job()
        self.faults(run_seconds=30)
        self.enter(job, state_entry=1)
        (first, _), predictions = stored(job).attempts, self.predictions()
        assert first.prediction_id == predictions[0]["id"]

        assert self.record_webhook(job, first.nonce, predictions[0]) == "late"

        assert resumed == []
        assert stored(job).attempts[1].finished_at is None

    def record_webhook(self, job: Job, nonce: str, prediction: dict[str, Any]) -> str:
        """Record the webhook of an attempt and return its effect, for example "late"."""
        record = stored(job)
        (attempt,) = [attempt for attempt in record.attempts if attempt.nonce == nonce]
        return receive_webhook._record(
            record, attempt, receive_webhook._parse_payload(json.dumps(prediction).encode())
        )


def test_workflow_delivers_the_second_attempt_and_charges_once(
    workflow: Workflow, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(probability: float) -> None:
        faults = {"fail": probability, "run_seconds": 0.2, "queue_seconds": 0}
        requests.put(
            f"{simulated_replicate.base_url}/faults", json=faults, timeout=5
        ).raise_for_status()

    def predictions() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(
            f"{simulated_replicate.base_url}/sim/predictions", timeout=5
        ).json()["predictions"]
        return found

    with webhook_endpoint() as public_url:
        with_setting(monkeypatch, "PUBLIC_URL", public_url)
        fail(1)
        open_account(100)
        job, _ = ledger.hold(image_job(), key=None, now=datetime.now(UTC))
        workflow_adapter.start(job)
        until(predictions)
        fail(0)
        final = until(lambda: read if (read := stored(job)).status.is_final else None)

    assert (final.status, final.charged, len(final.attempts)) == (JobStatus.COMPLETED, 10, 2)
    assert [each["status"] for each in predictions()] == ["failed", "succeeded"]
