"""Common bugs of webhooks: forged, lost, early and late webhooks change or block a job."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
import requests
from standardwebhooks import Webhook

from darkroom.aws import event_bus
from darkroom.domain.accounts import AccountId, Balance
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.references import Reference, new_nonce
from darkroom.storage import attempts, jobs, ledger
from local.simulators.replicate import SimulatedReplicate
from local.simulators.replicate.predictions import Status
from tests.aws import client
from tests.builders import ANN, NOON, call_api, image_job, open_account, stored, until
from tests.integration.servers import Received, Reply, server
from tests.integration.steps import with_setting
from tests.simulation.bugs import (
    BOB,
    LATER,
    OUTPUT,
    Backend,
    checked_balance,
    complete,
    entries,
    job_with_attempt,
    post_webhook,
    recover,
    reference_of,
    refund,
    signed_headers,
    webhook_body,
)

pytest_plugins = ["tests.simulation.bugs_fixtures"]
pytestmark = pytest.mark.usefixtures("aws", "settings_of_this_test")


class TestForgedWebhooks:
    """7. The webhook endpoint is open to anyone, or accepts a wrong signature."""

    FORGERIES = (
        "unsigned",
        "no id",
        "no time",
        "no signature",
        "another secret",
        "another body",
        "changed time",
        "stale",
        "from the future",
        "guessed nonce",
        "another account's reference",
        "another job's reference",
    )

    @staticmethod
    def forged(
        forgery: str, job: Job, replicate: SimulatedReplicate
    ) -> tuple[str, bytes, dict[str, str]]:
        """Return a webhook that reports success and is wrong in one way."""
        content = webhook_body(output=["https://replicate.delivery/evil.png"])
        reference, headers, now = (
            reference_of(job),
            signed_headers(replicate, content),
            datetime.now(UTC),
        )
        match forgery:
            case "unsigned":
                headers = {}
            case "no id" | "no time" | "no signature":
                name = {
                    "no id": "webhook-id",
                    "no time": "webhook-timestamp",
                    "no signature": "webhook-signature",
                }[forgery]
                del headers[name]
            case "another secret":
                headers["webhook-signature"] = Webhook("whsec_" + "A" * 32).sign(
                    "msg_1", now, content.decode()
                )
            case "another body":
                content = content.replace(b"succeeded", b"processed")
            case "changed time":
                headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) - 1)
            case "stale" | "from the future":
                headers = signed_headers(
                    replicate,
                    content,
                    sent_at=now + timedelta(seconds=310 if forgery == "from the future" else -310),
                )
            case "guessed nonce":
                reference = str(Reference(job.account, job.job_id, new_nonce()))
            case "another account's reference":
                reference = reference.replace(str(job.account), str(BOB))
            case "another job's reference":
                reference = reference.replace(job.job_id, image_job().job_id)
        return reference, content, headers

    def test_a_forged_webhook_changes_nothing(
        self, simulated_replicate: SimulatedReplicate, resumed: list[str]
    ) -> None:
        for number, forgery in enumerate(self.FORGERIES):
            job = job_with_attempt(AccountId("web", f"user{number}"))
            resumed.clear()

            status = post_webhook(*self.forged(forgery, job, simulated_replicate))

            assert status == (404 if forgery.endswith("reference") else 401), forgery
            assert (stored(job), resumed) == (job, []), forgery
            balance = checked_balance(job.account)
            assert (balance.held, balance.spent) == (10, 0), forgery
            content = webhook_body()
            headers = signed_headers(simulated_replicate, content)
            assert post_webhook(reference_of(job), content, headers) == 200, forgery
            assert resumed == ["token"], forgery

    def test_every_webhook_is_refused_without_a_configured_secret(self, resumed: list[str]) -> None:
        job = job_with_attempt()

        assert (
            post_webhook(
                reference_of(job),
                webhook_body(),
                {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"},
            )
            == 503
        )

        assert (stored(job), resumed) == (job, [])

    def test_a_replayed_webhook_charges_nothing_again(
        self, simulated_replicate: SimulatedReplicate, resumed: list[str]
    ) -> None:
        job, content = job_with_attempt(), webhook_body()
        headers = signed_headers(simulated_replicate, content)
        assert post_webhook(reference_of(job), content, headers) == 200
        jobs.record_output(job := stored(job), OUTPUT)
        complete(job)
        before, ended = checked_balance(), stored(job)

        for _ in range(3):
            assert post_webhook(reference_of(job), content, headers) == 200

        assert (checked_balance(), stored(job), resumed) == (before, ended, ["token"])

    def test_a_webhook_cannot_be_redirected_to_another_accounts_job(
        self, simulated_replicate: SimulatedReplicate, resumed: list[str]
    ) -> None:
        own_job, content = job_with_attempt(), webhook_body()
        headers = signed_headers(simulated_replicate, content)
        open_account(100, BOB)
        other_job, _ = ledger.hold(image_job(account=BOB), key=None, now=NOON)
        now = datetime.now(UTC)
        assert attempts.begin_attempt(other_job, "entry", lease_until=now + LATER, now=now)
        before = stored(other_job)
        assert own_job.attempt

        # The signature is valid: it covers the body, not the URL.
        assert (
            post_webhook(
                str(Reference(BOB, other_job.job_id, own_job.attempt.nonce)), content, headers
            )
            == 401
        )

        assert (stored(other_job), resumed) == (before, [])

    def test_a_signed_body_is_never_the_result(
        self, simulated_replicate: SimulatedReplicate, resumed: list[str]
    ) -> None:
        job = job_with_attempt()
        content = webhook_body(
            output=["https://replicate.delivery/evil.png"], error="E005", status_code=200
        )

        assert (
            post_webhook(reference_of(job), content, signed_headers(simulated_replicate, content))
            == 200
        )

        assert (stored(job).outputs, stored(job).failure, stored(job).held) == ((), None, 10)
        assert resumed == ["token"]


class TestLostWebhook:
    """8. A lost webhook leaves the job open and its credits held forever."""

    @pytest.mark.parametrize(
        ("fault", "end"),
        [
            ({}, "completed"),
            ({"fail": 1}, "failed"),
            ({"flag_sensitive": 1}, "failed"),
            ({"no_output": 1}, "failed"),
        ],
        ids=str,
    )
    def test_a_job_ends_if_every_webhook_is_lost(
        self, backend: Backend, fault: dict[str, float], end: str
    ) -> None:
        backend.faults(lose_webhook=1, **fault)

        job = backend.wait_until_ended(backend.submit())

        assert {each["status_code"] for each in backend.provider_records("webhooks")} == {None}
        assert (job.status, job.charged) == (end, 10 if end == "completed" else 0)
        assert checked_balance().held == 0

    @pytest.mark.parametrize("status", [Status.CANCELED, Status.ABORTED, Status.FAILED])
    def test_a_job_ends_if_the_provider_ends_it_without_a_webhook(
        self, backend: Backend, status: Status
    ) -> None:
        backend.faults(run_seconds=60)
        job_id = backend.submit()

        backend.end_prediction(backend.prediction(), status)

        assert backend.wait_until_ended(job_id).status is JobStatus.FAILED
        assert checked_balance() == Balance(available=100, granted=100, jobs_total=1)

    def test_a_job_ends_if_its_execution_is_stopped_without_a_webhook(
        self, backend: Backend
    ) -> None:
        backend.faults(run_seconds=60)
        job_id = backend.submit()
        backend.prediction()
        arn = (
            os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":{job_id}"
        )
        client("stepfunctions").stop_execution(executionArn=arn)
        job = backend.wait_until_ended(job_id)
        assert not job.status.is_final

        recover(job)

        assert (stored(job).status, checked_balance().available) == (JobStatus.FAILED, 100)
        assert backend.provider_records("predictions")[0]["status"] == "canceled"


class TestWebhookBeforeRecord:
    """9. The webhook arrives before the response that contains the prediction's id."""

    def test_a_webhook_before_the_creates_response_is_not_lost(
        self, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def respond_after_the_webhook(request: Received) -> Reply:
            headers: dict[str, str] = {
                name: request.headers[name]
                for name in ("authorization", "content-type")
                if name in request.headers
            }
            response = requests.request(
                request.method,
                backend.replicate.base_url + request.path,
                data=request.body,
                headers=headers,
                timeout=5,
            )
            if request.method == "POST":
                until(
                    lambda: [
                        each
                        for each in backend.provider_records("webhooks")
                        if each["event"] == "completed" and each["status_code"] == 200
                    ]
                )
                attempt = jobs.read(ANN, str(entries()[0].job_id)).attempt
                ids.append((response.json()["id"], attempt.prediction_id if attempt else None))
            return Reply(
                response.status_code, response.content, {"Content-Type": "application/json"}
            )

        ids: list[tuple[str, str | None]] = []
        with server(respond_after_the_webhook) as slow:
            with_setting(monkeypatch, "REPLICATE_BASE_URL", f"{slow}/v1")
            job = backend.wait_until_ended(backend.submit())

        ((prediction_id, recorded_id),) = ids
        assert prediction_id == recorded_id
        assert (job.status, len(job.attempts), job.charged) == (JobStatus.COMPLETED, 1, 10)
        assert len(backend.provider_records("predictions")) == 1

    def test_a_webhook_that_was_not_recorded_gets_an_error_status(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, content = job_with_attempt(), webhook_body()
        unknown_reference = reference_of(job).replace(job.job_id, image_job().job_id)

        # Replicate repeats a webhook unless the status is 2xx or 3xx.
        assert (
            post_webhook(unknown_reference, content, signed_headers(simulated_replicate, content))
            == 404
        )
        with monkeypatch.context() as broken:
            broken.setattr(attempts, "record_prediction", lambda *_, **__: 1 / 0)
            assert (
                post_webhook(
                    reference_of(job), content, signed_headers(simulated_replicate, content)
                )
                == 500
            )
        assert (
            post_webhook(reference_of(job), content, signed_headers(simulated_replicate, content))
            == 200
        )


class TestLateEvents:
    """11. Late, repeated or reordered events overwrite the current state."""

    @pytest.mark.parametrize(
        "faults",
        [
            {"duplicate_webhook": 1},
            {"reorder": 1},
            {"duplicate_webhook": 1, "reorder": 1, "delay_webhook_seconds": 0.3},
        ],
        ids=str,
    )
    def test_webhooks_in_any_order_complete_a_job_once(
        self, backend: Backend, faults: dict[str, float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        announced: list[str] = []
        monkeypatch.setattr(event_bus, "announce", lambda job: announced.append(job.job_id))
        backend.faults(**faults)

        job = backend.wait_until_ended(backend.submit())

        # The webhook of the start may arrive after the one of the completion.
        until(
            lambda: (
                {each["event"] for each in backend.provider_records("webhooks")}
                == {"start", "completed"}
            )
        )
        assert {each["status_code"] for each in backend.provider_records("webhooks")} == {200}
        assert (stored(job), job.status, announced) == (job, JobStatus.COMPLETED, [job.job_id])
        assert checked_balance() == Balance(available=90, spent=10, granted=100, jobs_total=1)

    @pytest.mark.parametrize("end", ["completed", "failed", "canceled"])
    def test_late_webhooks_do_not_change_an_ended_job(
        self, end: str, simulated_replicate: SimulatedReplicate, resumed: list[str]
    ) -> None:
        job = job_with_attempt()
        assert job.attempt
        attempts.record_prediction(job, job.attempt, "prediction1", now=NOON)
        match end:
            case "completed":
                jobs.record_output(stored(job), OUTPUT)
            case "canceled":
                jobs.request_cancel(job, next_check_at=NOON, now=NOON)
        refund(job)
        ended, before, etag = (
            stored(job),
            checked_balance(),
            call_api("GET", f"/jobs/{job.job_id}")[2]["ETag"],
        )
        assert ended.status == end

        for status in (
            "starting",
            "processing",
            "succeeded",
            "failed",
            "canceled",
            "aborted",
            "succeeded",
            "processing",
        ):
            content = webhook_body(status)
            assert (
                post_webhook(
                    reference_of(job), content, signed_headers(simulated_replicate, content)
                )
                == 200
            )

        assert (stored(job), checked_balance(), resumed) == (ended, before, [])
        assert call_api("GET", f"/jobs/{job.job_id}")[2]["ETag"] == etag
