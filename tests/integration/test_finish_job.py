"""The steps CompleteJob and RefundJob end a job once and announce its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from darkroom.aws import clients as aws_adapter
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.storage import attempts, jobs, ledger
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, handler_of
from tests.builders import ANN, NOON, held_job, stored
from tests.integration.broken_aws import AwsError, failing_calls
from tests.integration.steps import is_open, key

pytestmark = pytest.mark.usefixtures("aws")


def image_output(number: int) -> Output:
    return Output(number=number, key="k", content_type="image/png", bytes=1, width=1, height=1)


def refund(job: Job, error: str = "RuntimeError") -> Any:
    return handler_of("refund_job")(key(job, failure=error), CONTEXT)


class TestRefundJob:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            ("ProviderUnavailable", FailureCode.PROVIDER_UNAVAILABLE),
            ("OutputUnavailable", FailureCode.OUTPUT_UNAVAILABLE),
            ("States.Timeout", FailureCode.INTERNAL),
            ("KeyError", FailureCode.INTERNAL),
        ],
    )
    def test_refunds_a_fault_and_reports_it_to_the_execution(
        self, error: str, code: FailureCode
    ) -> None:
        job = held_job()

        assert refund(job, error) == {"fault": True}

        ended = stored(job)
        assert (ended.status, ended.failure, ended.refunded) == (
            JobStatus.FAILED,
            failure(code),
            10,
        )
        assert ledger.balance(ANN).available == 100

    def test_reports_a_fault_only_for_failure_codes_that_are_faults(
        self, subtests: pytest.Subtests
    ) -> None:
        for code in FailureCode:
            with subtests.test(code=code.value):
                job = held_job()
                jobs.record_failure(job, failure(code))

                assert refund(job, "GenerationFailed") == {"fault": failure(code).is_fault}
                assert stored(job).failure == failure(code)

    def test_reports_no_fault_for_a_partial_delivery(self) -> None:
        job = held_job(num_outputs=2)
        jobs.record_output(job, image_output(0))

        assert refund(job, "OutputUnavailable") == {"fault": False}
        assert (stored(job).status, stored(job).charged, stored(job).refunded) == (
            JobStatus.COMPLETED,
            10,
            10,
        )

    def test_a_repeat_returns_the_same_and_changes_nothing(self) -> None:
        job = held_job()
        first = refund(job)
        ended = stored(job)

        assert refund(job, "ProviderUnavailable") == first
        assert stored(job) == ended
        assert ledger.balance(ANN).available == 100

    def test_a_completed_job_stays_completed(self) -> None:
        job = held_job()
        jobs.record_output(job, image_output(0))
        handler_of("complete_job")(key(job), CONTEXT)
        ended = stored(job)

        assert refund(job) == {"fault": False}
        assert stored(job) == ended

    def test_cancels_the_running_prediction(self, simulated_replicate: SimulatedReplicate) -> None:
        requests.put(
            f"{simulated_replicate.base_url}/faults", json={"run_seconds": 60}, timeout=5
        ).raise_for_status()
        job = held_job()
        handler_of("request_prediction")(
            key(job, task_token="t", entered_at=NOON.isoformat(), retry_count=0), CONTEXT
        )

        refund(job)

        (prediction,) = requests.get(
            f"{simulated_replicate.base_url}/sim/predictions", timeout=5
        ).json()["predictions"]
        assert prediction["status"] == "canceled"

    def test_refunds_the_credits_if_the_provider_does_not_respond(self) -> None:
        job, now = held_job(), datetime.now(UTC)
        attempt = attempts.begin_attempt(job, "entry", lease_until=now, now=now)
        assert attempt
        attempts.record_prediction(job, attempt, "p1", now=now)

        # No server listens at the provider's address in this test.
        refund(job)

        assert stored(job).refunded == 10


class TestAnnouncement:
    @pytest.mark.parametrize("delivered", [0, 1])
    def test_announces_the_end_and_takes_the_job_out_of_recovery(
        self, delivered: int, announced: Callable[[], list[dict[str, Any]]]
    ) -> None:
        job = held_job()
        for number in range(delivered):
            jobs.record_output(
                job,
                image_output(number),
            )
        assert is_open(job)

        handler_of("complete_job")(key(job), CONTEXT)

        status = "completed" if delivered else "failed"
        (event,) = announced()
        assert (event["source"], event["detail-type"]) == ("darkroom", f"job.{status}")
        assert event["detail"] == {
            "id": f"{job.job_id}.{status}",
            "account": "web/ann",
            "job_id": job.job_id,
            "status": status,
            "template": "flux-schnell",
            "quoted": 10,
            "charged": 10 * delivered,
            "refunded": 10 - 10 * delivered,
            "callback": False,
        }
        assert not is_open(job)

    @pytest.mark.parametrize("function", ["complete_job", "refund_job"])
    def test_a_job_stays_open_until_its_end_is_announced(
        self, function: str, announced: Callable[[], list[dict[str, Any]]]
    ) -> None:
        job = held_job()
        with (
            failing_calls(aws_adapter.client("events"), "PutEvents", AwsError("InternalException")),
            pytest.raises(Exception, match="InternalException"),
        ):
            handler_of(function)(key(job, failure="x"), CONTEXT)
        assert stored(job).status is JobStatus.FAILED
        assert is_open(job)

        handler_of(function)(key(job, failure="x"), CONTEXT)

        assert not is_open(job)
        assert [event["detail"]["job_id"] for event in announced()] == [job.job_id]
        assert ledger.balance(ANN).available == 100
