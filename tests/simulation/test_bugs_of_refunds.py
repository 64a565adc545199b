"""Common bugs of refunds: a refund is lost, never made, or made with the wrong amount."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from darkroom import catalog
from darkroom.aws import clients as aws_adapter
from darkroom.domain.accounts import AccountId, Balance
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import grants, jobs, ledger, provider_slots
from local.simulators.replicate.predictions import Status
from tests.aws import CONTEXT, handler_of
from tests.builders import ANN, NOON, call_api, held_job, image_job, open_account, stored, until
from tests.integration.broken_aws import AwsError, failing_calls
from tests.integration.servers import Reply, answering, server
from tests.integration.steps import at, is_open, with_setting
from tests.simulation.bugs import (
    BOB,
    LATER,
    OUTPUT,
    Backend,
    Killed,
    at_call,
    checked_balance,
    complete,
    job_of_user,
    kill,
    recover,
    refund,
    resolutions,
)

pytest_plugins = ["tests.simulation.bugs_fixtures"]
pytestmark = pytest.mark.usefixtures("aws", "settings_of_this_test")


class TestRefundLost:
    """4. The status becomes final first, the refund follows, and its failure is ignored."""

    def test_recovery_refunds_a_job_whose_refund_step_failed(self, backend: Backend) -> None:
        def refund_without_a_table(event: Any) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ledger, "transact", fail)
                return handler_of("refund_job")(event, CONTEXT)

        def fail(_: Any) -> None:
            tries.append("refund")
            raise AwsError("InternalServerError").error("TransactWriteItems")

        tries: list[str] = []
        backend.workflow.break_function("refund_job", refund_without_a_table)
        job_id = backend.submit(prompt="please flag me")

        job = backend.wait_until_ended(job_id)
        assert (len(tries), backend.execution(job_id)) == (7, "FAILED")
        assert (job.status, job.held, is_open(job)) == (JobStatus.PROCESSING, 10, True)

        recover(job)

        assert (stored(job).status, stored(job).refunded, is_open(job)) == (
            JobStatus.FAILED,
            10,
            False,
        )
        assert stored(job).failure
        assert (checked_balance().available, len(resolutions(job))) == (100, 1)

    @pytest.mark.parametrize("resolve", [refund, complete])
    def test_a_crash_at_any_call_leaves_no_final_job_without_its_refund(
        self, resolve: Callable[[Job], None]
    ) -> None:
        def crashed(number: int, when: str) -> bool:
            job = held_job(account=AccountId("web", f"{when}{number}"))
            with at_call(number, **{when: kill}) as calls, suppress(Killed):
                resolve(job)
            assert (
                stored(job).status.is_final
                == bool(resolutions(job))
                == (checked_balance(job.account).held == 0)
            )

            recover(job)

            assert (stored(job).refunded, len(resolutions(job)), is_open(job)) == (10, 1, False)
            assert checked_balance(job.account) == Balance(available=100, granted=100, jobs_total=1)
            return len(calls) > number

        for when in ("before", "after"):
            assert next(number for number in count() if not crashed(number, when)) > 3

    def test_recovery_starts_a_job_whose_execution_did_not_start(self, backend: Backend) -> None:
        with failing_calls(
            aws_adapter.client("stepfunctions"), "StartExecution", AwsError("ServiceUnavailable")
        ):
            job_id = backend.submit()
        job = jobs.read(ANN, job_id)
        assert (job.status, checked_balance().held) == (JobStatus.PENDING, 10)

        with pytest.MonkeyPatch.context() as patch:
            at(patch, job.created_at + LATER)
            handler_of("recover_jobs")({}, CONTEXT)

        assert backend.wait_until_ended(job_id).status is JobStatus.COMPLETED
        assert (checked_balance().spent, checked_balance().held) == (10, 0)


class TestNoRefundAtAll:
    """5. Only success is handled. Every other way to end keeps the credits."""

    def assert_refunded(self, backend: Backend, job: Job, code: str) -> None:
        assert job.failure
        assert (job.status, job.failure.code) == (JobStatus.FAILED, code)
        assert (job.quoted, job.held, job.charged, job.refunded) == (10, 0, 0, 10)
        assert checked_balance() == Balance(available=100, granted=100, jobs_total=1)
        assert [entry.kind for entry in resolutions(job)] == ["release"]
        assert provider_slots.read_provider("replicate").slots == ()
        assert not [
            prediction
            for prediction in backend.provider_records("predictions")
            if prediction["status"] in ("starting", "processing")
        ]

    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            ("fail", "prediction_failed"),
            ("flag_sensitive", "refused"),
            ("no_output", "no_output"),
            ("drop_output", "no_output"),
        ],
    )
    def test_a_prediction_without_a_result_is_refunded(
        self, backend: Backend, fault: str, code: str
    ) -> None:
        backend.faults(**{fault: 1})

        self.assert_refunded(backend, backend.wait_until_ended(backend.submit()), code)

    @pytest.mark.parametrize(
        ("status", "code"),
        [(Status.CANCELED, "prediction_failed"), (Status.ABORTED, "deadline_exceeded")],
    )
    def test_a_prediction_ended_at_the_provider_is_refunded(
        self, backend: Backend, status: Status, code: str
    ) -> None:
        backend.faults(run_seconds=60)
        job_id = backend.submit()

        backend.end_prediction(backend.prediction(), status)

        self.assert_refunded(backend, backend.wait_until_ended(job_id), code)

    def test_a_prediction_that_reaches_its_deadline_is_refunded(
        self, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend.faults(run_seconds=60)
        short_deadline = replace(catalog.template("flux-schnell"), seconds_max=2)
        monkeypatch.setattr(catalog, "template", lambda *_: short_deadline)

        self.assert_refunded(
            backend, backend.wait_until_ended(backend.submit()), "deadline_exceeded"
        )

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (404, "model_unavailable"),
            (422, "invalid_input"),
            (451, "provider_unavailable"),
        ],
    )
    def test_a_request_refused_by_the_provider_is_refunded(
        self, backend: Backend, status: int, code: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        document = json.dumps({"title": "Refused", "detail": "No.", "status": status}).encode()
        with server(
            answering(Reply(status, document, {"Content-Type": "application/problem+json"}))
        ) as refusing:
            with_setting(monkeypatch, "REPLICATE_BASE_URL", f"{refusing}/v1")

            self.assert_refunded(backend, backend.wait_until_ended(backend.submit()), code)

    def test_a_job_is_refunded_if_the_provider_is_down_until_its_deadline(
        self, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend.faults(unavailable=1)
        short_deadline = replace(catalog.template("flux-schnell"), seconds_max=3)
        monkeypatch.setattr(catalog, "template", lambda *_: short_deadline)

        self.assert_refunded(
            backend, backend.wait_until_ended(backend.submit()), "provider_unavailable"
        )

    def test_a_canceled_job_is_refunded(self, backend: Backend) -> None:
        backend.faults(run_seconds=60)
        job_id = backend.submit()
        backend.prediction()

        assert call_api("POST", f"/jobs/{job_id}/cancel")[0] == 202

        job = backend.wait_until_ended(job_id)
        assert (job.status, job.charged, job.refunded) == (JobStatus.CANCELED, 0, 10)
        assert checked_balance() == Balance(available=100, granted=100, jobs_total=1)
        until(lambda: backend.provider_records("predictions")[0]["status"] == "canceled")


class TestRefundOfTheWrongAmount:
    """6. The refund is computed again at today's price, or goes to another account."""

    def test_the_held_credits_are_refunded_after_a_price_change(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "DEFAULT_IMAGE_CREDIT_COST", 23)
        job = held_job(num_outputs=3)
        assert (job.quoted, checked_balance().available) == (69, 31)
        with_setting(monkeypatch, "DEFAULT_IMAGE_CREDIT_COST", 1)

        refund(job)

        assert (stored(job).refunded, checked_balance()) == (
            69,
            Balance(available=100, granted=100, jobs_total=1),
        )

    def test_outputs_that_were_not_delivered_are_refunded(self) -> None:
        for stored_count, charged in ((0, 0), (1, 10), (2, 20), (3, 30)):
            job = job_of_user(stored_count, num_outputs=4)
            for number in range(stored_count):
                jobs.record_output(stored(job), replace(OUTPUT, number=number))

            refund(job)

            assert (stored(job).charged, stored(job).refunded) == (charged, 40 - charged)
            assert checked_balance(job.account) == Balance(
                available=100 - charged, spent=charged, granted=100, jobs_total=1
            )

    def test_a_fraction_of_a_credit_is_not_charged(self) -> None:
        open_account(100)
        job, _ = ledger.hold(replace(image_job(num_outputs=3), quoted=20), key=None, now=NOON)
        jobs.record_output(job, OUTPUT)

        complete(job)

        assert (stored(job).charged, stored(job).refunded) == (6, 14)

    def test_only_the_account_that_paid_is_refunded(self) -> None:
        same_user_on_another_platform, other_user = (
            open_account(100, AccountId("mobile", "ann")),
            open_account(100, BOB),
        )
        job = held_job()

        refund(job)

        assert checked_balance() == Balance(available=100, granted=100, jobs_total=1)
        for other in (same_user_on_another_platform, other_user):
            assert checked_balance(other) == Balance(available=100, granted=100)

    def test_a_correction_cannot_remove_held_credits(self) -> None:
        job = held_job(credits=10)
        with pytest.raises(InvalidRequest):
            grants.grant(ANN, -1, reason="a new period", reference="period 2", now=NOON)

        refund(job)

        assert checked_balance() == Balance(available=10, granted=10, jobs_total=1)
