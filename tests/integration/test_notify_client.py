"""The function notify_client sends signed callbacks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from standardwebhooks import Webhook

from darkroom.domain.jobs import Job, Output
from darkroom.services import callbacks
from darkroom.storage import jobs, ledger
from tests.aws import CONTEXT, handler_of
from tests.builders import ANN, NOON, call_api, image_job, open_account
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")


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
