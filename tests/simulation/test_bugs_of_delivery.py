"""Common bugs of delivery: a job is paid twice, a link expires, or another account sees a job."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from darkroom.aws import clients as aws_adapter
from darkroom.domain.accounts import AccountId, Balance
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import jobs
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, handler_of
from tests.builders import NOON, call_api, held_job, image_job, open_account, stored, until
from tests.integration.broken_aws import AwsError, failing_calls
from tests.integration.steps import key
from tests.simulation.bugs import OUTPUT, ROUTES, Backend, body, checked_balance, complete, refund

pytest_plugins = ["tests.simulation.bugs_fixtures"]
pytestmark = pytest.mark.usefixtures("aws", "settings_of_this_test")


class TestPaidTwice:
    """10. After a crash, a time-out or a lost response, the same prediction is requested again."""

    @pytest.mark.parametrize("error", ["Runtime.ExitError", "Sandbox.Timedout"])
    def test_a_crash_between_the_request_and_its_record_pays_once(
        self, backend: Backend, error: str
    ) -> None:
        def crash(*_: Any, **__: Any) -> None:
            raise type(error, (Exception,), {})("exit status 137")

        def request_prediction(event: Any) -> None:
            with pytest.MonkeyPatch.context() as patch:
                if event["job_id"] not in crashed:
                    crashed.append(event["job_id"])
                    patch.setattr(jobs, "record_prediction", crash)
                handler_of("request_prediction")(event, CONTEXT)

        crashed: list[str] = []
        backend.faults(lose_webhook=1, run_seconds=1)
        backend.workflow.break_function("request_prediction", request_prediction)

        job_id = backend.submit()
        job = backend.wait_until_ended(job_id)

        (prediction,) = backend.provider_records("predictions")
        assert crashed == [job_id]
        assert job.attempt
        assert (job.status, job.attempt.prediction_id, len(job.attempts)) == (
            JobStatus.COMPLETED,
            prediction["id"],
            1,
        )

    def test_a_lost_response_pays_once(self, backend: Backend) -> None:
        backend.faults(lost_create_answer=1, lose_webhook=1, run_seconds=1)

        all_jobs = [
            backend.wait_until_ended(job_id) for job_id in [backend.submit() for _ in range(3)]
        ]

        assert [job.status for job in all_jobs] == [JobStatus.COMPLETED] * 3
        assert {job.attempt.prediction_id for job in all_jobs if job.attempt} == {
            prediction["id"] for prediction in backend.provider_records("predictions")
        }
        assert len(backend.provider_records("predictions")) == 3

    def test_a_retried_store_step_makes_no_second_prediction(self, backend: Backend) -> None:
        def fail_after_storing(event: Any) -> None:
            tries.append(event["job_id"])
            handler_of("store_output")(event, CONTEXT)
            if len(tries) <= 2:
                raise RuntimeError("the upload failed")

        tries: list[str] = []
        backend.workflow.break_function("store_output", fail_after_storing)

        job = backend.wait_until_ended(backend.submit())

        assert (job.status, len(tries), len(backend.provider_records("predictions"))) == (
            JobStatus.COMPLETED,
            3,
            1,
        )
        assert (len(job.outputs), checked_balance().spent) == (1, 10)

    def test_a_repeated_submission_is_one_job_and_one_payment(self, backend: Backend) -> None:
        job_ids = [
            call_api("POST", "/jobs", body=body(), headers={"idempotency-key": "order 1"})[1]["id"]
            for _ in range(3)
        ]

        backend.wait_until_ended(job_ids[0])

        assert len(set(job_ids)) == len(backend.provider_records("predictions")) == 1
        assert checked_balance() == Balance(available=90, spent=10, granted=100, jobs_total=1)


class TestTemporaryOutputs:
    """12. The provider's link is delivered as the result, and expires within the hour."""

    def test_delivered_outputs_stay_available_without_the_provider(self, backend: Backend) -> None:
        job_id = backend.submit(num_outputs=2)
        backend.wait_until_ended(job_id)
        (prediction,) = backend.provider_records("predictions")
        provider_files = [requests.get(url, timeout=5).content for url in prediction["output"]]

        backend.replicate.stop()

        _, response, _ = call_api("GET", f"/jobs/{job_id}")
        with pytest.raises(requests.ConnectionError):
            requests.get(prediction["output"][0], timeout=5)
        assert response["status"] == "completed"
        assert urlsplit(backend.replicate.base_url).netloc not in json.dumps(response)
        assert [
            requests.get(output["url"], timeout=5).content for output in response["outputs"]
        ] == provider_files
        assert all(
            requests.get(output["thumbnail_url"], timeout=5).ok for output in response["outputs"]
        )

    def test_an_expired_output_is_not_delivered(self, backend: Backend) -> None:
        def fetch_too_late(event: Any) -> Any:
            backend.replicate._api.lifecycle.deliveries._files.clear()
            return handler_of("store_output")(event, CONTEXT)

        backend.workflow.break_function("store_output", fetch_too_late)

        job = backend.wait_until_ended(backend.submit())

        assert job.failure
        assert (job.status, job.failure.code, job.outputs) == (
            JobStatus.FAILED,
            "output_unavailable",
            (),
        )
        assert checked_balance() == Balance(available=100, granted=100, jobs_total=1)

    def test_a_job_whose_output_cannot_be_stored_is_not_completed(
        self, simulated_replicate: SimulatedReplicate
    ) -> None:
        requests.put(
            f"{simulated_replicate.base_url}/faults",
            json={"run_seconds": 0, "queue_seconds": 0},
            timeout=5,
        ).raise_for_status()
        job = held_job()
        handler_of("request_prediction")(
            key(job, task_token="t", entered_at=NOON.isoformat(), retry_count=0), CONTEXT
        )
        attempt = stored(job).attempt
        assert attempt
        until(
            lambda: (
                requests.get(f"{simulated_replicate.base_url}/sim/predictions", timeout=5).json()[
                    "predictions"
                ][0]["status"]
                == "succeeded"
            )
        )

        # The uploads of the output and of its thumbnail fail.
        with (
            failing_calls(
                aws_adapter.client("s3", bulky=True), "PutObject", *[AwsError("InternalError")] * 2
            ),
            pytest.raises(Exception, match="InternalError"),
        ):
            handler_of("store_output")(key(job), CONTEXT)

        assert (stored(job).outputs, stored(job).status) == ((), JobStatus.PROCESSING)
        complete(job)
        assert (stored(job).status, stored(job).charged, checked_balance().available) == (
            JobStatus.FAILED,
            0,
            100,
        )


class TestOtherAccounts:
    """More common bugs: jobs that anyone can read or stop by id, and unprotected paid endpoints."""

    def job_of_ann(self) -> Job:
        job = held_job(num_outputs=2)
        jobs.record_output(job, OUTPUT)
        refund(job)
        return stored(job)

    def test_every_route_with_an_id_is_covered_here(self) -> None:
        covered = {
            "/jobs/{job_id}",
            "/jobs/{job_id}/cancel",
            "/jobs/{job_id}/callback",
            "/accounts/{platform}/{user}",
            "/accounts/{platform}/{user}/credits",
        }
        # The routes of administrators: tests/integration/api/test_authentication.py calls each of
        # them as a user.
        for_administrators = {
            "/accounts/{platform}/{user}/entries",
            "/accounts/{platform}/{user}/suspend",
            "/accounts/{platform}/{user}/resume",
            "/admin/jobs/{job_id}",
            "/admin/jobs/{job_id}/callback",
        }
        without_owner = {"/templates/{code}", "/templates/{code}/quote", "/problems/{slug}"}

        assert {path for _, path in ROUTES if "{" in path} == (
            covered | without_owner | for_administrators
        )

    def test_a_job_of_another_account_is_not_found(self) -> None:
        for claims in ({"user": "bob"}, {"user": "ann", "custom:platform": "mobile"}):
            open_account(100, AccountId(claims.get("custom:platform", "web"), claims["user"]))
            for job in (self.job_of_ann(), held_job()):
                self.assert_not_found(job, claims)

    def assert_not_found(self, job: Job, claims: dict[str, Any]) -> None:
        """Check that every route responds as if the job did not exist, and changes nothing."""
        before = stored(job)
        unknown = image_job()

        for method, path in (route for route in ROUTES if route[1].startswith("/jobs/{job_id}")):
            responses = [
                call_api(method, path.format(job_id=each.job_id), **claims)
                for each in (job, unknown)
            ]
            assert responses[0][0] == 404
            assert responses[0] == responses[1]
        responses = [
            call_api("POST", "/jobs", body={"rerun_of": each.job_id}, **claims)
            for each in (job, unknown)
        ]
        assert responses[0][0] == 422
        assert responses[0] == responses[1]

        assert stored(job) == before
        listed = call_api("GET", "/jobs", **claims)[1]
        assert listed == {"jobs": [], "next_cursor": None, "total": 0}
        assert call_api("GET", f"/jobs/{job.job_id}")[0] == 200

    def test_a_sub_that_resembles_a_key_reaches_no_other_partition(self) -> None:
        job = self.job_of_ann()
        subs = (
            "bob#JOB",
            "ann#JOB#1",
            "../ann",
            "web/ann",
            "ann#",
            "ann/",
            "a=6Enn",
            "%61nn",
            "ANN",
        )

        for user in subs:
            assert call_api("GET", f"/jobs/{job.job_id}", user=user)[0] == 404, user
            assert call_api("GET", "/jobs", user=user)[1]["jobs"] == [], user
            assert call_api("GET", "/credits", user=user)[1]["granted"] == 0, user

    def test_an_empty_or_too_long_sub_is_refused(self) -> None:
        statuses = [call_api("GET", "/jobs", user=user)[0] for user in ("", "x" * 256)]

        assert statuses == [403, 403]

    def test_only_an_administrator_reads_another_account(self) -> None:
        open_account(100)

        for method, path in (route for route in ROUTES if "{user}" in route[1]):
            grant = {"amount": 1, "reason": "r", "reference": "r"}
            body = grant if path.endswith("/credits") else None
            assert (
                call_api(method, path.format(platform="web", user="ann"), body=body, user="bob")[0]
                == 403
            )

        assert checked_balance().granted == 100

    def test_only_public_routes_respond_without_a_token(self) -> None:
        job = held_job()
        bodies = {
            "/accounts/{platform}/{user}/credits": {"amount": 1, "reason": "r", "reference": "r"},
            "/accounts/{platform}/{user}/suspend": {"reason": "r"},
            "/admin/paused": {"paused": True},
            "/callbacks/test": {"callback_url": "https://example.com/"},
            "/templates/{code}/quote": {"parameters": {"prompt": "x"}},
            "/uploads": {"content_type": "image/png", "bytes": 1},
        }
        path_parameters = {
            "platform": "web",
            "user": "ann",
            "job_id": job.job_id,
            "code": "flux-schnell",
            "slug": "not-found",
        }

        for method, path in ROUTES:
            status, _, _ = call_api(
                method, path.format(**path_parameters), body=bodies.get(path, body()), user=None
            )
            assert status == (
                200 if path.startswith(("/docs", "/health", "/openapi.json", "/problems/")) else 401
            ), path

        assert (stored(job), checked_balance().held) == (job, 10)
