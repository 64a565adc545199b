"""The function notify_client sends signed callbacks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from standardwebhooks import Webhook

from darkroom import __version__, clock
from darkroom.domain.jobs import Job, Output
from darkroom.storage import jobs, ledger
from tests.aws import CONTEXT, handler_of
from tests.builders import ANN, NOON, call_api, image_job, open_account
from tests.integration.callback_queue import CallbackQueue, record_of
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture(autouse=True)
def queue(aws: None, monkeypatch: pytest.MonkeyPatch) -> CallbackQueue:
    return CallbackQueue(monkeypatch)


class TestNotifyClient:
    def notify(self, job: Job) -> Any:
        record = record_of(job, sent_at=clock.now())
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

    def notify_with(self, reply: Reply) -> tuple[Any, list[Received], Job]:
        """Send the callback of a job to a server that returns this reply."""
        received: list[Received] = []
        with server(answering(reply, received=received)) as base:
            job = self.ended_job(f"{base}/hook?x=1")
            return self.notify(job), received, job

    def test_sends_the_job_signed_with_the_secret_of_the_account(self) -> None:
        result, (request,), job = self.notify_with(Reply(204))

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
            for name in ("url", "download_url"):
                assert "X-Amz-Signature" in document["outputs"][0].pop(name)
            assert document.pop("links_expire_at")
        assert message["data"] == response
        assert request.headers["webhook-id"] == f"{job.job_id}.completed"
        assert "authorization" not in request.headers
        assert request.headers["user-agent"] == f"Darkroom/{__version__}"

    def test_a_repeated_callback_has_the_same_id(self) -> None:
        received: list[Received] = []
        with server(answering(Reply(), received=received)) as base:
            job = self.ended_job(base)
            self.notify(job)
            self.notify(job)

        assert len({request.headers["webhook-id"] for request in received}) == 1
        assert len(received) == 2

    def test_returns_a_refused_callback_to_the_queue(self, subtests: pytest.Subtests) -> None:
        for reply in (
            Reply(500),
            Reply(404),
            Reply(401),
            Reply(429),
            Reply(301, headers={"Location": "/"}),
            Reply(307, headers={"Location": "/"}),
        ):
            with subtests.test(status=reply.status):
                result, received, _ = self.notify_with(reply)

                assert result == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
                assert len(received) == 1, "redirects are not followed"

    def test_the_log_has_the_cause_of_a_failure(self, caplog: pytest.LogCaptureFixture) -> None:
        self.notify_with(Reply(503))

        (logged,) = [vars(each) for each in caplog.records if each.message == "callback failed"]
        assert (logged["levelname"], logged["cause"]) == ("WARNING", "503")
        assert logged["account"] == "web/ann"

    def test_a_callback_is_done_after_status_2xx_or_410(self, subtests: pytest.Subtests) -> None:
        for status in (200, 201, 202, 204, 410):
            with subtests.test(status=status):
                result, _, _ = self.notify_with(Reply(status))

                assert result == {"batchItemFailures": []}

    def test_returns_the_message_to_the_queue_if_no_server_listens(self) -> None:
        with server(answering(Reply())) as closed_url:
            pass

        assert self.notify(self.ended_job(closed_url)) == {
            "batchItemFailures": [{"itemIdentifier": "m1"}]
        }

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_sends_nothing_to_private_addresses(
        self, host: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        received: list[Received] = []
        with_setting(monkeypatch, "PRIVATE_HOSTS", "")
        with server(answering(Reply(), received=received)) as base:
            job = self.ended_job(f"https://{host}:{base.rpartition(':')[2]}/")

            assert self.notify(job) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}

        assert received == []
        assert causes(caplog) == ["AddressRefused"]

    def test_ignores_jobs_without_a_callback_url_and_deleted_jobs(self) -> None:
        assert self.notify(self.ended_job(None)) == {"batchItemFailures": []}
        assert self.notify(image_job()) == {"batchItemFailures": []}

    def test_sends_nothing_to_a_url_that_is_no_longer_allowed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        received: list[Received] = []
        with server(answering(Reply(204), received=received)) as base:
            job = self.ended_job(base)
            with_setting(monkeypatch, "PRIVATE_HOSTS", "")

            assert self.notify(job) == {"batchItemFailures": []}
            assert received == []


def causes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the causes of the failed callbacks in the log."""
    return [vars(each)["cause"] for each in caplog.records if each.message == "callback failed"]
