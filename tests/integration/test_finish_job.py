"""How jobs end: the steps CompleteJob and RefundJob, recovery, and the callback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from darkroom.aws import clients as aws_adapter
from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.domain.recovery import over_at
from darkroom.services import callbacks
from darkroom.storage import jobs, ledger
from darkroom.storage.table import SlotRow
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, Workflow, client, handler_of
from tests.builders import ANN, NOON, call_api, held_job, image_job, open_account, stored, until
from tests.integration.broken_aws import AwsError, failing_calls
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import at, is_open, key, with_setting

pytestmark = pytest.mark.usefixtures("aws")


class TestEnding:
    def refund(self, job: Job, error: str = "RuntimeError") -> Any:
        return handler_of("refund_job")(key(job, failure=error), CONTEXT)

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            ("ProviderUnavailable", FailureCode.PROVIDER_UNAVAILABLE),
            ("OutputUnavailable", FailureCode.OUTPUT_UNAVAILABLE),
            ("States.Timeout", FailureCode.INTERNAL),
            ("KeyError", FailureCode.INTERNAL),
        ],
    )
    def test_a_fault_gives_the_credits_back_and_is_red(self, error: str, code: FailureCode) -> None:
        job = held_job()

        assert self.refund(job, error) == {"fault": True}

        now = stored(job)
        assert (now.status, now.failure, now.refunded) == (JobStatus.FAILED, failure(code), 10)
        assert ledger.balance(ANN).available == 100

    @pytest.mark.parametrize(
        ("code", "fault"), [(code, failure(code).is_fault) for code in FailureCode]
    )
    def test_only_a_fault_is_red(self, code: FailureCode, fault: bool) -> None:
        job = held_job()
        jobs.record_failure(job, failure(code))

        assert self.refund(job, "GenerationFailed") == {"fault": fault}
        assert stored(job).failure == failure(code)

    def test_a_partial_delivery_is_not_red(self) -> None:
        job = held_job(num_outputs=2)
        jobs.record_output(
            job, Output(number=0, key="k", content_type="image/png", bytes=1, width=1, height=1)
        )

        assert self.refund(job, "OutputUnavailable") == {"fault": False}
        assert (stored(job).status, stored(job).charged, stored(job).refunded) == (
            JobStatus.COMPLETED,
            10,
            10,
        )

    def test_a_repeat_tells_the_same(self) -> None:
        job = held_job()
        first = self.refund(job)
        ended = stored(job)

        assert self.refund(job, "ProviderUnavailable") == first
        assert stored(job) == ended
        assert ledger.balance(ANN).available == 100

    def test_a_job_that_was_completed_meanwhile_stays_completed(self) -> None:
        job = held_job()
        jobs.record_output(
            job, Output(number=0, key="k", content_type="image/png", bytes=1, width=1, height=1)
        )
        handler_of("complete_job")(key(job), CONTEXT)
        ended = stored(job)

        assert self.refund(job) == {"fault": False}
        assert stored(job) == ended

    def test_what_still_runs_at_the_provider_is_stopped(
        self, simulated_replicate: SimulatedReplicate
    ) -> None:
        requests.put(
            f"{simulated_replicate.base_url}/faults", json={"run_seconds": 60}, timeout=5
        ).raise_for_status()
        job = held_job()
        handler_of("request_prediction")(
            key(job, task_token="t", entered_at=NOON.isoformat(), retry_count=0), CONTEXT
        )

        self.refund(job)

        (prediction,) = requests.get(
            f"{simulated_replicate.base_url}/sim/predictions", timeout=5
        ).json()["predictions"]
        assert prediction["status"] == "canceled"

    def test_a_provider_that_does_not_answer_keeps_no_credits_back(self) -> None:
        job, now = held_job(), datetime.now(UTC)
        attempt = jobs.begin_attempt(job, "entry", lease_until=now, now=now)
        assert attempt
        jobs.record_prediction(job, attempt, "p1", now=now)

        # Nobody listens at the provider's address here.
        self.refund(job)

        assert stored(job).refunded == 10

    @pytest.mark.parametrize("delivered", [0, 1])
    def test_the_end_is_announced_and_recovery_stops_checking(
        self, delivered: int, announced: Callable[[], list[dict[str, Any]]]
    ) -> None:
        job = held_job()
        for number in range(delivered):
            jobs.record_output(
                job,
                Output(
                    number=number, key="k", content_type="image/png", bytes=1, width=1, height=1
                ),
            )
        assert is_open(job)

        handler_of("complete_job")(key(job), CONTEXT)

        status = "completed" if delivered else "failed"
        (event,) = announced()
        assert (event["source"], event["detail-type"]) == ("darkroom", f"job.{status}")
        assert event["detail"] == {
            "id": f"{job.job_id}.{status}", "account": "web/ann", "job_id": job.job_id, "status": status, "template": "flux-schnell",
            "quoted": 10, "charged": 10 * delivered, "refunded": 10 - 10 * delivered,
        }  # fmt: skip
        assert not is_open(job)

    @pytest.mark.parametrize("function", ["complete_job", "refund_job"])
    def test_a_job_stays_open_until_it_is_announced(
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


class TestRecoverJobs:
    def recover(self) -> None:
        handler_of("recover_jobs")({}, CONTEXT)

    def test_a_job_that_is_final_but_unannounced_is_announced_and_leaves(
        self, announced: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        ended = ledger.resolve(ANN, job.job_id, now=datetime.now(UTC))
        self.recover()
        assert announced() == []
        at(monkeypatch, job.created_at + timedelta(seconds=31))

        self.recover()

        assert [event["detail"]["id"] for event in announced()] == [f"{job.job_id}.failed"]
        assert not is_open(job)
        assert replace(stored(job), revision=0) == replace(ended, revision=0)
        self.recover()
        assert len(announced()) == 1

    def test_a_stopped_execution_is_settled_but_not_before_its_invocations_are_gone(
        self,
        workflow: Workflow,
        announced: Callable[[], list[dict[str, Any]]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        asleep: list[object] = []
        workflow.break_function("request_prediction", asleep.append)
        job = held_job()
        # A short wait, because the stand-in stops an execution only between two states.
        workflow_adapter.start(replace(job, wait_seconds=1))
        arn = (
            os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
            + f":{job.job_id}"
        )
        until(lambda: asleep)
        client("stepfunctions").stop_execution(executionArn=arn)
        until(lambda: (found := workflow_adapter.execution(job.job_id)) and not found.is_running)
        execution = workflow_adapter.execution(job.job_id)
        assert execution
        assert execution.stopped_at
        stopped_at = execution.stopped_at

        at(monkeypatch, stopped_at + timedelta(seconds=119))
        self.recover()
        assert stored(job).status is JobStatus.PENDING
        at(monkeypatch, stopped_at + timedelta(seconds=181))
        self.recover()

        ended = stored(job)
        assert (ended.status, ended.refunded, ended.failure) == (
            JobStatus.FAILED,
            10,
            failure(FailureCode.INTERNAL),
        )
        assert [event["detail"]["job_id"] for event in announced()] == [job.job_id]
        assert not is_open(job)

    def test_a_stopped_execution_that_had_stored_something_is_a_delivery(
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

        self.recover()

        assert (stored(job).status, stored(job).charged, stored(job).refunded) == (
            JobStatus.COMPLETED,
            10,
            10,
        )

    def test_a_job_that_runs_past_its_time_is_stopped_once_and_settled_when_it_is_quiet(
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
            lambda **given: stopped.append(given["executionArn"]),
        )
        at(monkeypatch, over_at(job) - timedelta(milliseconds=1))
        self.recover()
        assert stopped == []

        at(monkeypatch, over_at(job))
        self.recover()

        (arn,) = stopped
        assert arn.endswith(f":execution:darkroom-test-generation:{job.job_id}")
        assert stored(job).status is JobStatus.PENDING
        execution = workflow_adapter.Execution(is_running=False, stopped_at=over_at(job))
        for seconds in (60, 150):
            assert is_open(job)
            at(monkeypatch, over_at(job) + timedelta(seconds=seconds))
            self.recover()
        assert (stored(job).status, stored(job).refunded) == (JobStatus.FAILED, 10)
        assert len(stopped) == 1

    def test_a_cancel_that_resumed_nothing_is_heard_by_recovery(
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

        self.recover()

        assert resumed == ["token"]
        assert stored(job).status is JobStatus.PENDING

    def test_one_job_that_fails_does_not_keep_the_others_waiting(
        self, announced: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)
        all_jobs = [ledger.hold(image_job(), key=None, now=NOON)[0] for _ in range(3)]
        for job in all_jobs:
            ledger.resolve(ANN, job.job_id, now=NOON)

        with failing_calls(
            aws_adapter.client("events"), "PutEvents", AwsError("InternalException")
        ):
            self.recover()

        assert len(announced()) == 2
        assert sum(is_open(job) for job in all_jobs) == 1
        at(monkeypatch, datetime.now(UTC) + timedelta(minutes=2))
        self.recover()
        assert len(announced()) == 3

    def test_what_there_is_no_time_for_is_left_to_the_next_run(self) -> None:
        open_account(100)
        all_jobs = [ledger.hold(image_job(), key=None, now=NOON)[0] for _ in range(3)]
        for job in all_jobs:
            ledger.resolve(ANN, job.job_id, now=NOON)
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
        self.recover()
        assert not any(is_open(job) for job in all_jobs)
        assert list(SlotRow.query("SLOT#replicate")) == []

    def test_a_workflow_that_cannot_be_started_is_tried_again_a_minute_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        started: list[str] = []
        monkeypatch.setattr(workflow_adapter, "execution", lambda _: None)
        at(monkeypatch, job.created_at + timedelta(seconds=31))
        self.recover()  # There is no state machine here.
        assert is_open(job)
        monkeypatch.setattr(workflow_adapter, "start", lambda found: started.append(found.job_id))
        self.recover()
        assert started == []

        at(monkeypatch, job.created_at + timedelta(seconds=92))
        self.recover()

        assert started == [job.job_id]


class TestNotifyClient:
    def notify(self, job: Job) -> Any:
        detail = {"account": str(job.account), "job_id": job.job_id}
        record = {
            "messageId": "m1",
            "body": json.dumps({"detail": detail}),
            "eventSource": "aws:sqs",
            "receiptHandle": "r",
            "attributes": {},
        }
        return handler_of("notify_client")({"Records": [record]}, CONTEXT)

    def ended_job(self, callback_url: str | None) -> Job:
        open_account(100)
        job = replace(
            image_job(prompt="灯塔 🏮"), callback_url=callback_url, metadata={"order": "7"}
        )
        ledger.hold(job, key=None, now=NOON)
        jobs.record_output(
            job,
            Output(number=0, key="media/k", content_type="image/png", bytes=1, width=1, height=1),
        )
        return ledger.resolve(ANN, job.job_id, now=NOON)

    def answered(self, reply: Reply) -> tuple[Any, list[Received], Job]:
        received: list[Received] = []
        with server(answering(reply, received=received)) as base:
            job = self.ended_job(f"{base}/hook?x=1")
            return self.notify(job), received, job

    def test_a_callback_is_the_jobs_response_signed_with_the_accounts_secret(self) -> None:
        result, (request,), job = self.answered(Reply(204))

        assert result == {"batchItemFailures": []}
        assert (request.method, request.path, request.headers["content-type"]) == (
            "POST",
            "/hook?x=1",
            "application/json",
        )
        secret = call_api("GET", "/callbacks/secret")[1]["secret"]
        message = Webhook(secret).verify(request.body, request.headers)
        assert (message["type"], message["timestamp"]) == (
            "job.completed",
            "2026-01-02T12:00:00.000Z",
        )
        _, response, _ = call_api("GET", f"/jobs/{job.job_id}")
        for document in (message["data"], response):
            assert "X-Amz-Signature" in document["outputs"][0].pop("url")
            assert document.pop("links_expire_at")
        assert message["data"] == response
        assert request.headers["webhook-id"] == f"{job.job_id}.completed"
        assert "authorization" not in request.headers

    def test_a_repeat_has_the_same_id(self) -> None:
        received: list[Received] = []
        with server(answering(Reply(), received=received)) as base:
            job = self.ended_job(base)
            self.notify(job)
            self.notify(job)

        assert len({request.headers["webhook-id"] for request in received}) == 1
        assert len(received) == 2

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(500),
            Reply(404),
            Reply(401),
            Reply(429),
            Reply(301, headers={"Location": "/"}),
            Reply(307, headers={"Location": "/"}),
        ],
    )
    def test_a_callback_that_is_not_taken_stays_in_the_queue(self, reply: Reply) -> None:
        result, received, _ = self.answered(reply)

        assert result == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
        assert len(received) == 1, "a redirect is not followed"

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 410])
    def test_a_callback_that_is_taken_or_no_longer_wanted_is_done(self, status: int) -> None:
        assert self.answered(Reply(status))[0] == {"batchItemFailures": []}

    def test_nobody_who_listens_is_a_failure(self) -> None:
        with server(answering(Reply())) as gone:
            pass

        assert self.notify(self.ended_job(gone)) == {
            "batchItemFailures": [{"itemIdentifier": "m1"}]
        }

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_a_private_address_is_not_called(
        self, host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        received: list[Received] = []
        with_setting(monkeypatch, "PRIVATE_HOSTS", "")
        with server(answering(Reply(), received=received)) as base:
            job = self.ended_job(f"https://{host}:{base.rpartition(':')[2]}/")

            with pytest.raises(callbacks.CallbackFailed, match="AddressRefused"):
                callbacks.send(job, now=NOON)

        assert received == []

    def test_a_job_without_a_callback_or_that_is_gone_is_done(self) -> None:
        assert self.notify(self.ended_job(None)) == {"batchItemFailures": []}
        assert self.notify(image_job()) == {"batchItemFailures": []}
