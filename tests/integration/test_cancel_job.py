"""Cancelling: a cancel tells the truth, in every state of a job, and only the workflow ends the job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from darkroom.aws import clients as aws_adapter
from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.predictions import Prediction
from darkroom.providers import replicate
from darkroom.services import delete_job
from darkroom.storage import jobs, ledger
from darkroom.storage.job_rows import CheckQueue
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, handler_of
from tests.builders import ANN, NOON, call_api, held_job, image_job, open_account, stored, until
from tests.integration.broken_aws import AwsError, failing_calls
from tests.integration.servers import webhook_endpoint
from tests.integration.steps import due_job_ids, key, with_setting

pytestmark = pytest.mark.usefixtures("aws")


def cancel(job: Job, user: str = "ann") -> tuple[int, Any]:
    status, document, _ = call_api("POST", f"/jobs/{job.job_id}/cancel", user=user)
    return status, document


def ended(job: Job) -> Job:
    return until(lambda: now if (now := stored(job)).status.is_final else None)


def faults(replicate: SimulatedReplicate, **named: float) -> None:
    requests.put(f"{replicate.base_url}/faults", json=named, timeout=5).raise_for_status()


def predictions(replicate: SimulatedReplicate) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(
        f"{replicate.base_url}/sim/predictions", timeout=5
    ).json()["predictions"]
    return found


class TestTheRoute:
    def test_the_answer_shows_the_flag_and_nothing_has_ended_yet(self, resumed: list[str]) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)

        status, document = cancel(job)

        assert status == 202
        assert document["cancel_requested_at"]
        assert (document["status"], document["credits"]["held"]) == ("pending", 10)
        assert resumed == ["token"]

    def test_asking_again_keeps_the_first_time(self, resumed: list[str]) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)

        first, second = cancel(job)[1], cancel(job)[1]

        assert first["cancel_requested_at"] == second["cancel_requested_at"]
        assert resumed == ["token", "token"]

    def test_a_job_that_never_started_is_started_so_that_it_can_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, started = held_job(), list[str]()
        monkeypatch.setattr(workflow_adapter, "start", lambda found: started.append(found.job_id))

        assert cancel(job)[0] == 202

        assert started == [job.job_id]

    @pytest.mark.parametrize("error", ["ThrottlingException", "InternalServerError"])
    def test_a_resume_that_fails_loses_nothing(self, error: str) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)

        with failing_calls(aws_adapter.client("stepfunctions"), "SendTaskSuccess", AwsError(error)):
            assert cancel(job)[0] == 202

        assert stored(job).cancel_requested_at

    def test_asking_again_and_again_does_not_put_recovery_off(self) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)
        first = jobs.request_cancel(job, next_check_at=NOON + timedelta(seconds=30), now=NOON)
        again = jobs.request_cancel(
            job, next_check_at=NOON + timedelta(days=1), now=NOON + timedelta(minutes=1)
        )

        assert first == again
        assert due_job_ids(CheckQueue.OPEN, now=NOON + timedelta(seconds=30)) == [job.job_id]

    def test_a_final_job_cannot_be_canceled(self) -> None:
        job = held_job()
        ledger.resolve(ANN, job.job_id, now=NOON)

        status, problem = cancel(job)

        assert (status, problem["type"], problem["detail"]) == (
            409,
            "/problems/job-is-final",
            "The job is failed already.",
        )
        assert stored(job).cancel_requested_at is None

    def test_nobody_cancels_the_job_of_another_account(self) -> None:
        job = held_job()

        assert cancel(job, user="bob")[0] == 404
        assert stored(job).cancel_requested_at is None


class TestTheSteps:
    def enter(self, job: Job) -> None:
        handler_of("request_prediction")(
            key(job, task_token="token", entered_at=NOON.isoformat(), retry_count=0), CONTEXT
        )

    def test_nothing_is_asked_of_the_provider_after_a_cancel(
        self, simulated_replicate: SimulatedReplicate
    ) -> None:
        job = held_job()
        jobs.request_cancel(job, next_check_at=NOON, now=NOON)

        with pytest.raises(GenerationFailed, match="canceled"):
            self.enter(job)

        assert predictions(simulated_replicate) == []
        assert stored(job).failure == failure(FailureCode.CANCELED)

    def test_a_prediction_of_a_job_that_was_deleted_meanwhile_is_canceled(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        faults(simulated_replicate, run_seconds=60)
        job = held_job()
        ask = replicate.create

        def asked_in_vain(*work: Any, **options: Any) -> Prediction:
            jobs.request_cancel(job, next_check_at=NOON, now=NOON)
            handler_of("refund_job")(key(job, failure="GenerationFailed"), CONTEXT)
            delete_job.delete(ANN, job.job_id, now=NOON)
            return ask(*work, **options)

        monkeypatch.setattr(replicate, "create", asked_in_vain)
        self.enter(job)

        assert until(
            lambda: [each["status"] for each in predictions(simulated_replicate)] == ["canceled"]
        )

    def test_a_finished_prediction_is_not_stored_when_the_cancel_came_first(
        self, simulated_replicate: SimulatedReplicate
    ) -> None:
        faults(simulated_replicate, run_seconds=0, queue_seconds=0)
        job = held_job()
        self.enter(job)
        until(lambda: predictions(simulated_replicate)[0]["status"] == "succeeded")
        jobs.request_cancel(job, next_check_at=NOON, now=NOON)

        with pytest.raises(GenerationFailed, match="canceled"):
            handler_of("store_output")(key(job), CONTEXT)
        handler_of("refund_job")(key(job, failure="GenerationFailed"), CONTEXT)

        now = stored(job)
        assert (now.status, now.charged, now.refunded, now.storing_at) == (
            JobStatus.CANCELED,
            0,
            10,
            None,
        )

    def test_of_a_cancel_and_the_beginning_of_storing_the_first_wins(self) -> None:
        canceled, delivered, now = held_job(), held_job(), datetime.now(UTC)

        assert jobs.request_cancel(canceled, next_check_at=now, now=now)
        assert not jobs.record_storing(canceled, now=now)
        assert jobs.record_storing(delivered, now=now)
        assert jobs.request_cancel(delivered, next_check_at=now, now=now)

        assert stored(canceled).cancel_wins
        assert not stored(delivered).cancel_wins

    def test_a_cancel_after_storing_began_is_shown_and_the_delivery_is_charged(
        self, simulated_replicate: SimulatedReplicate
    ) -> None:
        faults(simulated_replicate, run_seconds=0, queue_seconds=0)
        job = held_job()
        self.enter(job)
        until(lambda: predictions(simulated_replicate)[0]["status"] == "succeeded")
        jobs.record_storing(job, now=NOON)
        jobs.request_cancel(job, next_check_at=NOON, now=NOON)

        handler_of("store_output")(key(job), CONTEXT)
        handler_of("complete_job")(key(job), CONTEXT)

        now = stored(job)
        assert (now.status, now.charged, now.refunded) == (JobStatus.COMPLETED, 10, 0)
        assert now.cancel_requested_at


@pytest.mark.usefixtures("workflow")
class TestTheWholeWay:
    def start(self, monkeypatch: pytest.MonkeyPatch, public_url: str) -> Job:
        with_setting(monkeypatch, "PUBLIC_URL", public_url)
        open_account(100)
        job, _ = ledger.hold(image_job(), key=None, now=datetime.now(UTC))
        workflow_adapter.start(job)
        return job

    def test_a_running_prediction_is_stopped_and_the_credits_come_back_at_once(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        faults(simulated_replicate, run_seconds=60)
        with webhook_endpoint() as public_url:
            job = self.start(monkeypatch, public_url)
            until(lambda: stored(job).status is JobStatus.PROCESSING)

            assert cancel(job)[0] == 202
            now = ended(job)

        assert (now.status, now.refunded, now.failure) == (
            JobStatus.CANCELED,
            10,
            failure(FailureCode.CANCELED),
        )
        assert until(lambda: predictions(simulated_replicate)[0]["status"] == "canceled")
        execution = until(
            lambda: (
                found
                if (found := workflow_adapter.execution(job.job_id)) and not found.is_running
                else None
            )
        )
        assert execution

    def test_a_job_that_waits_for_the_provider_is_canceled_when_its_pause_is_over(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        faults(simulated_replicate, throttle=1)
        job = self.start(monkeypatch, "http://127.0.0.1:9")
        until(lambda: stored(job).waiting_since)

        cancel(job)
        now = ended(job)

        assert (now.status, now.refunded) == (JobStatus.CANCELED, 10)
        assert predictions(simulated_replicate) == []
