"""POST /jobs creates one job, holds its credits and starts its workflow."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from darkroom import clock
from darkroom.aws import clients as aws_adapter
from darkroom.aws import step_functions as workflow_adapter
from darkroom.storage import ledger
from tests.aws import CONTEXT, Workflow, forget_settings, handler_of
from tests.builders import (
    ANN,
    NOON,
    call_api,
    open_account,
    until,
)
from tests.integration.api.calls import (
    BODY,
    JOB_KEYS,
    assert_is_problem,
    assert_nothing_charged,
    error_fields,
    request_body,
    submit,
)
from tests.integration.broken_aws import AwsError, failing_calls

pytestmark = pytest.mark.usefixtures("aws")


class TestSubmit:
    def test_accepts_a_job_holds_its_credits_and_returns_its_location(self) -> None:
        open_account(100)

        status, job, headers = submit(body=request_body(num_outputs=2))

        assert status == 202
        assert headers["Location"] == f"/jobs/{job['id']}"
        assert headers["Content-Type"] == "application/json"
        assert "Idempotency-Replayed" not in headers
        assert job.keys() == JOB_KEYS
        assert job["status"] == "pending"
        assert job["credits"] == {"quoted": 20, "held": 20, "charged": 0, "refunded": 0}
        assert job["template"] == {
            "code": "flux-schnell",
            "version": 2,
            "name": "FLUX schnell",
            "category": "image",
        }
        assert job["parameters"]["prompt"] == "a lighthouse"
        assert job["parameters"]["aspect_ratio"] == "1:1"
        assert (job["outputs"], job["error"], job["attempts"], job["metadata"]) == ([], None, 0, {})
        assert call_api("GET", headers["Location"])[1] == job
        assert call_api("GET", "/credits")[1] == {
            "available": 80,
            "held": 20,
            "spent": 0,
            "granted": 100,
            "in_flight": 1,
        }

    def test_a_repeated_request_returns_the_same_job(self) -> None:
        open_account(100)
        key = {"idempotency-key": "order 1"}
        status, job, headers = submit(headers=key)
        assert "Idempotency-Replayed" not in headers

        again_status, again, again_headers = submit(headers=key)

        assert (again_status, again) == (status, job)
        assert again_headers["Idempotency-Replayed"] == "true"
        assert again_headers["Location"] == headers["Location"]
        assert ledger.balance(ANN).held == 10

    def test_refuses_a_repeated_key_with_other_body_bytes(self) -> None:
        open_account(100)
        submit(headers={"idempotency-key": "order 1"}, body=json.dumps(BODY))

        status, problem, headers = submit(
            headers={"idempotency-key": "order 1"}, body=json.dumps(BODY, indent=1)
        )

        assert status == 422
        assert_is_problem(status, problem, headers)
        assert problem["type"] == "/problems/idempotency-key-reused"
        assert ledger.balance(ANN).held == 10

    def test_refuses_malformed_idempotency_keys(self, subtests: pytest.Subtests) -> None:
        open_account(100)

        for key in (" " * 256, "k" * 256, "schlüssel", "a\tb", "a\nb"):
            with subtests.test(key=key[:12]):
                status, problem, _ = submit(headers={"idempotency-key": key})

                assert status == 422
                assert [field.lower() for field in error_fields(problem)] == ["idempotency-key"]
                assert_nothing_charged()

    def test_an_empty_idempotency_key_counts_as_absent(self) -> None:
        open_account(100)

        first, second = (submit(headers={"idempotency-key": ""}) for _ in range(2))

        assert (first[0], second[0]) == (202, 202)
        assert first[1]["id"] != second[1]["id"]
        assert "Idempotency-Replayed" not in second[2]

    def test_accepts_an_idempotency_key_of_255_characters(self) -> None:
        open_account(100)

        assert submit(headers={"Idempotency-Key": "~" * 255})[0] == 202

    def test_refuses_a_job_without_enough_credits_and_states_the_difference(self) -> None:
        open_account(25)

        status, problem, headers = submit(body=request_body(num_outputs=4))

        assert status == 402
        assert_is_problem(status, problem, headers)
        assert "40" in problem["detail"]
        assert "25" in problem["detail"]
        assert "15 are missing" in problem["detail"]
        assert_nothing_charged(25)

    def test_refuses_too_many_jobs_in_flight_with_a_retry_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBS_IN_FLIGHT_MAX", "1")
        forget_settings()
        open_account(100)
        submit()

        status, problem, headers = submit()

        assert status == 429
        assert_is_problem(status, problem, headers)
        assert int(headers["Retry-After"]) > 0
        assert ledger.balance(ANN).jobs_total == 1

    def test_refuses_too_many_jobs_a_minute_until_the_next_minute_begins(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBS_PER_MINUTE_MAX", "1")
        forget_settings()
        monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(seconds=20))
        open_account(100)
        submit()

        status, problem, headers = submit()

        assert status == 429
        assert_is_problem(status, problem, headers)
        assert (problem["type"], headers["Retry-After"]) == (
            "/problems/too-many-jobs-this-minute",
            "40",
        )
        assert ledger.balance(ANN).jobs_total == 1

    def test_quotes_the_price_of_the_template(self) -> None:
        open_account(100)

        _, job, _ = submit(body={"template": "flux-1.1-pro", "parameters": {"prompt": "x"}})

        assert job["credits"]["quoted"] == 15


class TestStart:
    @pytest.mark.usefixtures("simulated_replicate")
    def test_recovery_starts_an_accepted_job_whose_start_failed(
        self, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workflow.break_function("request_prediction", lambda _: 1 / 0)
        open_account(100)
        with failing_calls(
            aws_adapter.client("stepfunctions"), "StartExecution", AwsError("ServiceUnavailable")
        ):
            status, job, _ = submit()
        assert (status, job["status"]) == (202, "pending")
        assert workflow_adapter.execution(job["id"]) is None

        handler_of("recover_jobs")({}, CONTEXT)
        assert workflow_adapter.execution(job["id"]) is None, "recovery skips new jobs"
        later = datetime.now(UTC) + timedelta(seconds=31)
        monkeypatch.setattr(clock, "now", lambda: later)
        handler_of("recover_jobs")({}, CONTEXT)

        assert workflow_adapter.execution(job["id"]) is not None
        until(lambda: call_api("GET", f"/jobs/{job['id']}")[1]["status"] == "failed", seconds=60)
        assert ledger.balance(ANN).available == 100

    def test_a_repeated_request_starts_a_job_whose_start_failed(self, workflow: Workflow) -> None:
        workflow.break_function("request_prediction", lambda _: 1 / 0)
        open_account(100)
        key = {"idempotency-key": "order 1"}
        with failing_calls(
            aws_adapter.client("stepfunctions"), "StartExecution", AwsError("ThrottlingException")
        ):
            _, job, _ = submit(headers=key)

        status, again, _ = submit(headers=key)

        assert (status, again["id"]) == (202, job["id"])
        assert workflow_adapter.execution(job["id"]) is not None
        until(lambda: call_api("GET", f"/jobs/{job['id']}")[1]["status"] == "failed")
