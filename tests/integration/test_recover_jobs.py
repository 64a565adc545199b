"""Recovery finishes jobs whose execution does not start, run or end."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from darkroom.aws import clients as aws_adapter
from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.domain.recovery import over_at
from darkroom.storage import jobs, ledger, provider_slots
from darkroom.storage.queue_rows import SlotRow
from tests.aws import CONTEXT, Workflow, client, handler_of
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored, until
from tests.integration.broken_aws import AwsError, failing_calls
from tests.integration.steps import at, is_open

pytestmark = pytest.mark.usefixtures("aws")


def recover() -> None:
    handler_of("recover_jobs")({}, CONTEXT)


def ended_jobs(count: int) -> list[Job]:
    """Return jobs that ended and whose ends are not announced."""
    open_account(100)
    all_jobs = [ledger.hold(image_job(), key=None, now=NOON)[0] for _ in range(count)]
    for job in all_jobs:
        ledger.resolve(ANN, job.job_id, now=NOON)
    return all_jobs


class TestRecoverJobs:
    def test_announces_a_final_job_and_takes_it_out_of_the_open_jobs(
        self, announced: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        ended = ledger.resolve(ANN, job.job_id, now=datetime.now(UTC))
        recover()
        assert announced() == []
        at(monkeypatch, job.created_at + timedelta(seconds=31))

        recover()

        assert [event["detail"]["id"] for event in announced()] == [f"{job.job_id}.failed"]
        assert not is_open(job)
        assert replace(stored(job), revision=0) == replace(ended, revision=0)
        recover()
        assert len(announced()) == 1

    def test_releases_the_hold_of_a_stopped_execution_after_its_last_invocation(
        self,
        workflow: Workflow,
        announced: Callable[[], list[dict[str, Any]]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        invocations: list[object] = []
        workflow.break_function("request_prediction", invocations.append)
        job = held_job()
        # A short wait, because moto stops an execution only between two states.
        workflow_adapter.start(replace(job, wait_seconds=1))
        arn = (
            os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
            + f":{job.job_id}"
        )
        until(lambda: invocations)
        client("stepfunctions").stop_execution(executionArn=arn)
        until(lambda: (found := workflow_adapter.execution(job.job_id)) and not found.is_running)
        execution = workflow_adapter.execution(job.job_id)
        assert execution
        assert execution.stopped_at
        stopped_at = execution.stopped_at

        at(monkeypatch, stopped_at + timedelta(seconds=119))
        recover()
        assert stored(job).status is JobStatus.PENDING
        at(monkeypatch, stopped_at + timedelta(seconds=181))
        recover()

        ended = stored(job)
        assert (ended.status, ended.refunded, ended.failure) == (
            JobStatus.FAILED,
            10,
            failure(FailureCode.INTERNAL),
        )
        assert [event["detail"]["job_id"] for event in announced()] == [job.job_id]
        assert not is_open(job)

    def test_charges_the_outputs_of_a_stopped_execution(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job(num_outputs=2)
        jobs.record_output(
            job, Output(number=0, key="k", content_type="image/png", bytes=1, width=1, height=1)
        )
        monkeypatch.setattr(
            workflow_adapter,
            "execution",
            lambda _: workflow_adapter.Execution(is_running=False, stopped_at=job.created_at),
        )
        at(monkeypatch, job.created_at + timedelta(minutes=5))

        recover()

        assert (stored(job).status, stored(job).charged, stored(job).refunded) == (
            JobStatus.COMPLETED,
            10,
            10,
        )

    def test_stops_an_overdue_execution_once_and_refunds_the_job_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        execution, stopped = (
            workflow_adapter.Execution(is_running=True, stopped_at=None),
            list[str](),
        )
        monkeypatch.setattr(workflow_adapter, "execution", lambda _: execution)
        monkeypatch.setattr(
            aws_adapter.client("stepfunctions"),
            "stop_execution",
            lambda **arguments: stopped.append(arguments["executionArn"]),
        )
        at(monkeypatch, over_at(job) - timedelta(milliseconds=1))
        recover()
        assert stopped == []

        at(monkeypatch, over_at(job))
        recover()

        (arn,) = stopped
        assert arn.endswith(f":execution:darkroom-test-generation:{job.job_id}")
        assert stored(job).status is JobStatus.PENDING
        execution = workflow_adapter.Execution(is_running=False, stopped_at=over_at(job))
        for seconds in (60, 150):
            assert is_open(job)
            at(monkeypatch, over_at(job) + timedelta(seconds=seconds))
            recover()
        assert (stored(job).status, stored(job).refunded) == (JobStatus.FAILED, 10)
        assert len(stopped) == 1

    def test_resumes_an_execution_that_a_cancel_request_did_not_resume(
        self, monkeypatch: pytest.MonkeyPatch, resumed: list[str]
    ) -> None:
        job = held_job()
        jobs.store_task_token(
            job, "token", "entry", next_check_at=job.created_at + timedelta(minutes=2)
        )
        monkeypatch.setattr(
            workflow_adapter,
            "execution",
            lambda _: workflow_adapter.Execution(is_running=True, stopped_at=None),
        )
        jobs.request_cancel(
            job, next_check_at=job.created_at + timedelta(seconds=30), now=job.created_at
        )
        at(monkeypatch, job.created_at + timedelta(seconds=30))

        recover()

        assert resumed == ["token"]
        assert stored(job).status is JobStatus.PENDING

    def test_continues_with_the_other_jobs_after_an_error(
        self, announced: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        all_jobs = ended_jobs(3)

        with failing_calls(
            aws_adapter.client("events"), "PutEvents", AwsError("InternalException")
        ):
            recover()

        assert len(announced()) == 2
        assert sum(is_open(job) for job in all_jobs) == 1
        at(monkeypatch, datetime.now(UTC) + timedelta(minutes=2))
        recover()
        assert len(announced()) == 3

    def test_leaves_the_remaining_jobs_to_the_next_run_when_time_is_short(self) -> None:
        all_jobs = ended_jobs(3)
        SlotRow(
            "SLOT#replicate", "000", holder=f"web/ann/{all_jobs[0].job_id}", taken_at=NOON
        ).save()
        remaining = iter((50_000, 15_000, 14_999))

        handler_of("recover_jobs")(
            {},
            SimpleNamespace(
                **vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: next(remaining)}
            ),
        )

        assert sum(is_open(job) for job in all_jobs) == 1
        recover()
        assert not any(is_open(job) for job in all_jobs)
        assert provider_slots.read_provider("replicate").slots == ()

    def test_starts_a_workflow_again_one_minute_after_an_error(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        started: list[str] = []
        monkeypatch.setattr(workflow_adapter, "execution", lambda _: None)
        at(monkeypatch, job.created_at + timedelta(seconds=31))
        recover()  # The start fails: this test has no state machine.
        assert is_open(job)
        monkeypatch.setattr(workflow_adapter, "start", lambda found: started.append(found.job_id))
        recover()
        assert started == []

        at(monkeypatch, job.created_at + timedelta(seconds=92))
        recover()

        assert started == [job.job_id]
