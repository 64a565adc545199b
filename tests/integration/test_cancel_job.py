"""A cancel request is recorded in every state of a job. Only the workflow ends the job."""

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
from tests.integration.steps import due_job_ids, key, sends, with_setting

pytestmark = pytest.mark.usefixtures("aws")


def cancel(job: Job, user: str = "ann") -> tuple[int, Any]:
    status, document, _ = call_api("POST", f"/jobs/{job.job_id}/cancel", user=user)
    return status, document


def wait_for_end(job: Job) -> Job:
    def final_job() -> Job | None:
        current = stored(job)
        return current if current.status.is_final else None

    return until(final_job)


def set_faults(replicate: SimulatedReplicate, **faults: float) -> None:
    requests.put(f"{replicate.base_url}/faults", json=faults, timeout=5).raise_for_status()


def predictions(replicate: SimulatedReplicate) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(
        f"{replicate.base_url}/sim/predictions", timeout=5
    ).json()["predictions"]
    return found


class TestRoute:
    def test_records_the_cancel_request_and_does_not_end_the_job(self, resumed: list[str]) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)

        status, document = cancel(job)

        assert status == 202
        assert document["cancel_requested_at"]
        assert (document["status"], document["credits"]["held"]) == ("pending", 10)
        assert resumed == ["token"]

    def test_a_second_request_keeps_the_time_of_the_first(self, resumed: list[str]) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)

        first, second = cancel(job)[1], cancel(job)[1]

        assert first["cancel_requested_at"] == second["cancel_requested_at"]
        assert resumed == ["token", "token"]

    def test_starts_a_job_that_was_not_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job, started = held_job(), list[str]()
        monkeypatch.setattr(workflow_adapter, "start", lambda found: started.append(found.job_id))

        assert cancel(job)[0] == 202

        assert started == [job.job_id]

    @pytest.mark.parametrize("error", ["ThrottlingException", "InternalServerError"])
    def test_records_the_cancel_request_even_if_the_resume_fails(self, error: str) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)

        with failing_calls(aws_adapter.client("stepfunctions"), "SendTaskSuccess", AwsError(error)):
            assert cancel(job)[0] == 202

        assert stored(job).cancel_requested_at

    def test_repeated_requests_do_not_postpone_the_next_check(self) -> None:
        job = held_job()
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)
        first = jobs.request_cancel(job, next_check_at=NOON + timedelta(seconds=30), now=NOON)
        again = jobs.request_cancel(
            job, next_check_at=NOON + timedelta(days=1), now=NOON + timedelta(minutes=1)
        )

        assert first == again
        assert due_job_ids(CheckQueue.OPEN, now=NOON + timedelta(seconds=30)) == [job.job_id]

    def test_refuses_to_cancel_a_final_job(self) -> None:
        job = held_job()
        ledger.resolve(ANN, job.job_id, now=NOON)

        status, problem = cancel(job)

        assert (status, problem["type"], problem["detail"]) == (
            409,
            "/problems/job-is-final",
            "The job is already failed and cannot be canceled. Read the job for its result.",
        )
        assert stored(job).cancel_requested_at is None

    def test_refuses_to_cancel_the_job_of_another_account(self) -> None:
        job = held_job()

        assert cancel(job, user="bob")[0] == 404
        assert stored(job).cancel_requested_at is None


class TestSteps:
    def request_prediction(self, job: Job) -> None:
        """Run the step RequestPrediction."""
        handler_of("request_prediction")(
            key(job, task_token="token", entered_at=NOON.isoformat(), retry_count=0), CONTEXT
        )

    def test_sends_no_request_to_the_provider_after_a_cancel_request(
        self, simulated_replicate: SimulatedReplicate
    ) -> None:
        job = held_job()
        jobs.request_cancel(job, next_check_at=NOON, now=NOON)

        with sends(GenerationFailed) as canceled:
            self.request_prediction(job)

        assert canceled.message == "canceled"
        assert predictions(simulated_replicate) == []
        assert stored(job).failure == failure(FailureCode.CANCELED)

    def test_cancels_the_prediction_of_a_job_that_was_deleted_meanwhile(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_faults(simulated_replicate, run_seconds=60)
        job = held_job()
        create = replicate.create

        def create_after_deletion(*arguments: Any, **options: Any) -> Prediction:
            jobs.request_cancel(job, next_check_at=NOON, now=NOON)
            handler_of("refund_job")(key(job, failure="GenerationFailed"), CONTEXT)
            delete_job.delete(ANN, job.job_id, now=NOON)
            return create(*arguments, **options)

        monkeypatch.setattr(replicate, "create", create_after_deletion)
        self.request_prediction(job)

        assert until(
            lambda: [each["status"] for each in predictions(simulated_replicate)] == ["canceled"]
        )

    def test_does_not_store_a_finished_prediction_after_a_cancel_request(
        self, simulated_replicate: SimulatedReplicate
    ) -> None:
        set_faults(simulated_replicate, run_seconds=0, queue_seconds=0)
        job = held_job()
        self.request_prediction(job)
        until(lambda: predictions(simulated_replicate)[0]["status"] == "succeeded")
        jobs.request_cancel(job, next_check_at=NOON, now=NOON)

        with pytest.raises(GenerationFailed, match="canceled"):
            handler_of("store_output")(key(job), CONTEXT)
        handler_of("refund_job")(key(job, failure="GenerationFailed"), CONTEXT)

        ended = stored(job)
        assert (ended.status, ended.charged, ended.refunded, ended.storing_at) == (
            JobStatus.CANCELED,
            0,
            10,
            None,
        )

    def test_of_a_cancel_request_and_the_start_of_storing_the_first_wins(self) -> None:
        canceled, delivered, now = held_job(), held_job(), datetime.now(UTC)

        assert jobs.request_cancel(canceled, next_check_at=now, now=now)
        assert not jobs.record_storing(canceled, now=now)
        assert jobs.record_storing(delivered, now=now)
        assert jobs.request_cancel(delivered, next_check_at=now, now=now)

        assert stored(canceled).cancel_wins
        assert not stored(delivered).cancel_wins

    def test_records_a_request_after_storing_began_but_charges_the_delivery(
        self, simulated_replicate: SimulatedReplicate
    ) -> None:
        set_faults(simulated_replicate, run_seconds=0, queue_seconds=0)
        job = held_job()
        self.request_prediction(job)
        until(lambda: predictions(simulated_replicate)[0]["status"] == "succeeded")
        jobs.record_storing(job, now=NOON)
        jobs.request_cancel(job, next_check_at=NOON, now=NOON)

        handler_of("store_output")(key(job), CONTEXT)
        handler_of("complete_job")(key(job), CONTEXT)

        ended = stored(job)
        assert (ended.status, ended.charged, ended.refunded) == (JobStatus.COMPLETED, 10, 0)
        assert ended.cancel_requested_at


@pytest.mark.usefixtures("workflow")
class TestWorkflow:
    def start(self, monkeypatch: pytest.MonkeyPatch, public_url: str) -> Job:
        with_setting(monkeypatch, "PUBLIC_URL", public_url)
        open_account(100)
        job, _ = ledger.hold(image_job(), key=None, now=datetime.now(UTC))
        workflow_adapter.start(job)
        return job

    def test_cancels_a_running_prediction_and_refunds_the_credits(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_faults(simulated_replicate, run_seconds=60)
        with webhook_endpoint() as public_url:
            job = self.start(monkeypatch, public_url)
            until(lambda: stored(job).status is JobStatus.PROCESSING)

            assert cancel(job)[0] == 202
            ended = wait_for_end(job)

        assert (ended.status, ended.refunded, ended.failure) == (
            JobStatus.CANCELED,
            10,
            failure(FailureCode.CANCELED),
        )
        assert until(lambda: predictions(simulated_replicate)[0]["status"] == "canceled")

        def execution_ended() -> bool:
            execution = workflow_adapter.execution(job.job_id)
            return execution is not None and not execution.is_running

        assert until(execution_ended)

    def test_cancels_a_queued_job_when_its_pause_ends(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_faults(simulated_replicate, throttle=1)
        job = self.start(monkeypatch, "http://127.0.0.1:9")
        until(lambda: stored(job).waiting_since)

        cancel(job)
        ended = wait_for_end(job)

        assert (ended.status, ended.refunded) == (JobStatus.CANCELED, 10)
        assert predictions(simulated_replicate) == []


def test_storing_does_not_begin_after_a_cancel_request() -> None:
    job = held_job()
    assert jobs.request_cancel(job, next_check_at=NOON, now=NOON)

    assert not jobs.record_storing(job, now=NOON)
    assert stored(job).storing_at is None
