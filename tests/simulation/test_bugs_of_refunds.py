"""The bugs by which services of this kind lose a refund, never make one, or make it of the wrong amount."""

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
from darkroom.storage import jobs, ledger
from darkroom.storage.table import SlotRow
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
    kill,
    recover,
    refund,
    resolutions,
)

pytest_plugins = ["tests.simulation.bugs_fixtures"]
pytestmark = pytest.mark.usefixtures("aws", "settings_of_this_test")


class TestRefundLost:
    """4. The status becomes final first, the refund comes second, and its failure is swallowed."""

    def test_a_refund_that_fails_with_all_its_retries_is_made_by_recovery(
        self, backend: Backend
    ) -> None:
        def without_a_table(event: Any) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ledger, "transact", broken)
                return handler_of("refund_job")(event, CONTEXT)

        def broken(_: Any) -> None:
            tries.append("refund")
            raise AwsError("InternalServerError").error("TransactWriteItems")

        tries: list[str] = []
        backend.workflow.break_function("refund_job", without_a_table)
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
    def test_a_crash_at_any_moment_leaves_no_final_job_without_its_refund(
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

    def test_a_job_whose_start_was_lost_is_not_forgotten(self, backend: Backend) -> None:
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
    """5. Only success is handled, and every other way to end keeps the credits."""

    def assert_refunded(self, backend: Backend, job: Job, code: str) -> None:
        assert job.failure
        assert (job.status, job.failure.code) == (JobStatus.FAILED, code)
        assert (job.quoted, job.held, job.charged, job.refunded) == (10, 0, 0, 10)
        assert checked_balance() == Balance(available=100, granted=100, jobs_total=1)
        assert [entry.kind for entry in resolutions(job)] == ["release"]
        assert list(SlotRow.query("SLOT#replicate")) == []
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
    def test_a_prediction_without_a_result_gives_back(
        self, backend: Backend, fault: str, code: str
    ) -> None:
        backend.faults(**{fault: 1})

        self.assert_refunded(backend, backend.wait_until_ended(backend.submit()), code)

    @pytest.mark.parametrize(
        ("status", "code"),
        [(Status.CANCELED, "prediction_failed"), (Status.ABORTED, "deadline_exceeded")],
    )
    def test_a_prediction_that_is_ended_at_the_provider_gives_back(
        self, backend: Backend, status: Status, code: str
    ) -> None:
        backend.faults(run_seconds=60)
        job_id = backend.submit()

        backend.end_prediction(backend.prediction(), status)

        self.assert_refunded(backend, backend.wait_until_ended(job_id), code)

    def test_a_prediction_that_takes_too_long_gives_back(
        self, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend.faults(run_seconds=60)
        impatient = replace(catalog.template("flux-schnell"), seconds_max=2)
        monkeypatch.setattr(catalog, "template", lambda *_: impatient)

        self.assert_refunded(
            backend, backend.wait_until_ended(backend.submit()), "deadline_exceeded"
        )

    @pytest.mark.parametrize(
        ("status", "code"),
        [(401, "provider_unavailable"), (402, "provider_unavailable"), (422, "invalid_input")],
    )
    def test_a_request_that_the_provider_refuses_gives_back(
        self, backend: Backend, status: int, code: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        document = json.dumps({"title": "Refused", "detail": "No.", "status": status}).encode()
        with server(
            answering(Reply(status, document, {"Content-Type": "application/problem+json"}))
        ) as refusing:
            with_setting(monkeypatch, "REPLICATE_BASE_URL", f"{refusing}/v1")

            self.assert_refunded(backend, backend.wait_until_ended(backend.submit()), code)

    def test_a_provider_that_is_down_until_the_deadline_gives_back(
        self, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend.faults(unavailable=1)
        impatient = replace(catalog.template("flux-schnell"), seconds_max=3)
        monkeypatch.setattr(catalog, "template", lambda *_: impatient)

        self.assert_refunded(
            backend, backend.wait_until_ended(backend.submit()), "provider_unavailable"
        )

    def test_a_cancel_gives_back(self, backend: Backend) -> None:
        backend.faults(run_seconds=60)
        job_id = backend.submit()
        backend.prediction()

        assert call_api("POST", f"/jobs/{job_id}/cancel")[0] == 202

        job = backend.wait_until_ended(job_id)
        assert (job.status, job.charged, job.refunded) == (JobStatus.CANCELED, 0, 10)
        assert checked_balance() == Balance(available=100, granted=100, jobs_total=1)
        until(lambda: backend.provider_records("predictions")[0]["status"] == "canceled")


class TestRefundOfTheWrongAmount:
    """6. The refund is computed anew, or goes to another pocket than the one that paid."""

    def test_what_was_held_is_given_back_whatever_it_would_cost_today(
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

    @pytest.mark.parametrize(("stored_count", "charged"), [(0, 0), (1, 10), (2, 20), (3, 30)])
    def test_a_part_that_was_not_delivered_is_given_back(
        self, stored_count: int, charged: int
    ) -> None:
        job = held_job(num_outputs=4)
        for number in range(stored_count):
            jobs.record_output(stored(job), replace(OUTPUT, number=number))

        refund(job)

        assert (stored(job).charged, stored(job).refunded) == (charged, 40 - charged)
        assert checked_balance() == Balance(
            available=100 - charged, spent=charged, granted=100, jobs_total=1
        )

    def test_a_part_of_a_credit_is_not_charged(self) -> None:
        open_account(100)
        job, _ = ledger.hold(replace(image_job(num_outputs=3), quoted=20), key=None, now=NOON)
        jobs.record_output(job, OUTPUT)

        complete(job)

        assert (stored(job).charged, stored(job).refunded) == (6, 14)

    def test_the_account_that_paid_gets_it_back_and_no_other(self) -> None:
        same_user_elsewhere, somebody = (
            open_account(100, AccountId("mobile", "ann")),
            open_account(100, BOB),
        )
        job = held_job()

        refund(job)

        assert checked_balance() == Balance(available=100, granted=100, jobs_total=1)
        for other in (same_user_elsewhere, somebody):
            assert checked_balance(other) == Balance(available=100, granted=100)

    def test_credits_that_are_held_cannot_be_taken_away_before_they_come_back(self) -> None:
        job = held_job(credits=10)
        with pytest.raises(InvalidRequest):
            ledger.grant(ANN, -1, reason="a new period", reference="period 2", now=NOON)

        refund(job)

        assert checked_balance() == Balance(available=10, granted=10, jobs_total=1)
