"""The tries of callbacks: their times, their records, paused receivers, and repeated callbacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from darkroom import http_post
from darkroom.domain.accounts import AccountId
from darkroom.domain.callback_retries import (
    PAUSE_SECONDS_MAX,
    RECEIVER_PAUSE,
    RECEIVES_MAX,
    TIMEOUTS_MAX,
)
from darkroom.domain.jobs import Job
from darkroom.http_post import TimedOut
from darkroom.storage import deliveries, jobs, ledger
from darkroom.storage.receivers import Receiver
from darkroom.storage.table import DeliveryRow
from tests.aws import client
from tests.builders import ANN, NOON, call_api, image_job, open_account
from tests.integration.api.calls import ADMIN
from tests.integration.callback_queue import CallbackQueue, queue_in_moto
from tests.integration.hostile_receivers import DRIPPED_HEADER, receiver
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import at, with_setting

pytestmark = pytest.mark.usefixtures("aws")

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)
BOB = AccountId("web", "bob")


@pytest.fixture
def queue(aws: None, monkeypatch: pytest.MonkeyPatch) -> CallbackQueue:
    return CallbackQueue(monkeypatch)


def ended_job(callback_url: str | None) -> Job:
    open_account(100)
    job = replace(image_job(now=NOON), callback_url=callback_url)
    ledger.hold(job, key=None, now=NOON)
    return ledger.resolve(ANN, job.job_id, now=NOON)


def shown_deliveries(job: Job, user: str = "ann") -> list[dict[str, Any]]:
    status, document, _ = call_api(
        "GET", f"/jobs/{job.job_id}", query="include=deliveries", user=user
    )
    assert status == 200
    found: list[dict[str, Any]] = document["deliveries"]
    return found


class TestTries:
    @pytest.mark.parametrize("down", [timedelta(minutes=13), timedelta(hours=24)])
    def test_a_receiver_that_was_down_gets_its_event(
        self, down: timedelta, queue: CallbackQueue
    ) -> None:
        received: list[datetime] = []

        def respond(_: Received) -> Reply:
            received.append(queue.now)
            return Reply(204 if queue.now >= NOON + down else 503)

        with server(respond) as url:
            done_at = queue.run(ended_job(url), NOON, until=NOON + 7 * DAY)

        assert done_at is not None
        assert done_at == received[-1]
        assert down <= done_at - NOON <= down + timedelta(seconds=PAUSE_SECONDS_MAX)
        assert queue.dead == []

    def test_the_last_try_comes_after_more_than_a_day(self, queue: CallbackQueue) -> None:
        with server(answering(Reply(500))) as url:
            job = ended_job(url)
            assert queue.run(job, NOON, until=NOON + 7 * DAY) is None

        assert queue.dead == [job.job_id]
        tries = deliveries.of_job(job.job_id)
        assert len(tries) == RECEIVES_MAX
        assert tries[-1].at - NOON > DAY
        assert tries[-1].next_at is None
        assert queue.hidden_seconds[-1] == 0, "the next receive makes it a dead letter at once"

    def test_410_stops_the_callback_and_is_recorded(self, queue: CallbackQueue) -> None:
        received: list[Received] = []
        with server(answering(Reply(410), received=received)) as url:
            job = ended_job(url)
            assert queue.run(job, NOON, until=NOON + DAY) == NOON

        assert len(received) == 1
        assert [(each["status"], each["next_at"]) for each in shown_deliveries(job)] == [
            (410, None)
        ]


class TestShownDeliveries:
    def test_each_try_is_shown_with_its_status_and_the_next_time(
        self, queue: CallbackQueue
    ) -> None:
        with server(answering(Reply(500))) as url:
            job = ended_job(url)
            queue.receive(job, NOON)
        queue.receive(job, NOON + timedelta(seconds=5), sent_at=NOON, receives=2)

        first, second = shown_deliveries(job)

        assert (first["at"], first["status"]) == ("2026-01-02T12:00:00.000Z", 500)
        assert 0 <= first["seconds"] < 5
        assert first["next_at"] >= "2026-01-02T12:00:05.000Z"
        assert (second["at"], second["status"]) == ("2026-01-02T12:00:05.000Z", None)
        assert second["next_at"] >= "2026-01-02T12:00:15.000Z"

    def test_they_are_shown_on_demand_only(self, queue: CallbackQueue) -> None:
        with server(answering(Reply())) as url:
            job = ended_job(url)
            queue.receive(job, NOON)

        assert "deliveries" not in call_api("GET", f"/jobs/{job.job_id}")[1]
        assert len(shown_deliveries(job)) == 1
        assert call_api("GET", f"/jobs/{job.job_id}", query="include=other")[0] == 422

    def test_a_new_try_changes_the_etag_of_the_job_with_its_deliveries(
        self, queue: CallbackQueue
    ) -> None:
        def etag(query: str = "include=deliveries") -> str:
            return str(call_api("GET", f"/jobs/{job.job_id}", query=query)[2]["ETag"])

        with server(answering(Reply(500))) as url:
            job = ended_job(url)
            before, plain = etag(), etag("")
            queue.receive(job, NOON)

        assert etag() != before
        assert etag("") == plain
        headers = {"if-none-match": etag()}
        path = f"/jobs/{job.job_id}"
        assert call_api("GET", path, query="include=deliveries", headers=headers)[0] == 304

    def test_another_account_and_a_deleted_job_show_nothing(self, queue: CallbackQueue) -> None:
        with server(answering(Reply())) as url:
            job = ended_job(url)
            queue.receive(job, NOON)
        jobs.leave_open_jobs(job)
        path = f"/jobs/{job.job_id}"

        assert call_api("GET", path, query="include=deliveries", user="bob")[0] == 404
        assert call_api("DELETE", path)[0] == 204
        assert call_api("GET", path, query="include=deliveries")[0] == 404

    def test_a_record_expires_and_has_nothing_of_the_receiver(self, queue: CallbackQueue) -> None:
        with server(answering(Reply())) as url:
            job = ended_job(url)
            queue.receive(job, NOON)

        (row,) = DeliveryRow.query(deliveries.DELIVERY_PREFIX + job.job_id)
        assert row.expires_at == int((NOON + deliveries.RETENTION).timestamp())
        assert row.attribute_values.keys() == {"pk", "sk", "at", "status", "seconds", "expires_at"}

    def test_a_long_history_shows_the_last_50_tries(self) -> None:
        job = ended_job("https://example.com/")
        for number in range(51):
            at = NOON + timedelta(seconds=number)
            deliveries.record(job.job_id, deliveries.Delivery(at, 500, 0.5, None))

        found = deliveries.of_job(job.job_id)

        assert [each.at for each in found] == [
            NOON + timedelta(seconds=number) for number in range(1, 51)
        ]


class TestPausedReceiver:
    def test_three_timeouts_in_a_row_postpone_the_next_callbacks(
        self, queue: CallbackQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "CALLBACK_SECONDS_MAX", "0.05")
        with receiver(DRIPPED_HEADER) as address:
            ended = [ended_job(f"http://{address}/") for _ in range(TIMEOUTS_MAX + 1)]
            for job in ended:
                assert not queue.receive(job, NOON)

            *called, postponed = [deliveries.of_job(job.job_id) for job in ended]
            assert [[each.status for each in tries] for tries in called] == [[None]] * 3
            assert postponed == []
            assert queue.hidden_seconds[-1] >= RECEIVER_PAUSE.total_seconds()

            after = NOON + RECEIVER_PAUSE
            assert not queue.receive(ended[0], after, sent_at=NOON, receives=2)
            assert not queue.receive(ended[1], after, sent_at=NOON, receives=2)
            assert len(deliveries.of_job(ended[0].job_id)) == 2, "one callback tries again"
            assert len(deliveries.of_job(ended[1].job_id)) == 1, "the others wait for its result"

    def test_the_last_receive_calls_a_paused_receiver(
        self, queue: CallbackQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "CALLBACK_SECONDS_MAX", "0.05")
        with receiver(DRIPPED_HEADER) as address:
            job = ended_job(f"http://{address}/")
            for second, receives in enumerate((1, 2, 3, 4, RECEIVES_MAX)):
                queue.receive(job, NOON + timedelta(seconds=second), receives=receives)

        assert [each.at.second for each in deliveries.of_job(job.job_id)] == [0, 1, 2, 4]

    def test_a_response_of_any_status_ends_the_row_of_timeouts(
        self, queue: CallbackQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        statuses = [None, None, 500, None, None, 204]

        def send(*_: object, **__: object) -> int:
            if (status := statuses.pop(0)) is None:
                raise TimedOut
            return status

        monkeypatch.setattr(http_post, "post", send)
        job = ended_job("https://example.com/")
        for _ in range(5):
            assert not queue.receive(job, NOON)

        assert queue.receive(job, NOON)
        assert statuses == []

    def test_other_hosts_and_accounts_are_not_paused(
        self, queue: CallbackQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def send(url: str, *_: object, **__: object) -> int:
            if "slow" in url:
                raise TimedOut
            return 204

        monkeypatch.setattr(http_post, "post", send)
        slow, fast = ended_job("https://slow.example/"), ended_job("https://fast.example/")
        for _ in range(TIMEOUTS_MAX + 1):
            assert not queue.receive(slow, NOON)

        assert queue.receive(fast, NOON)
        assert Receiver(ANN, "slow.example").postponed_until(NOON) == NOON + RECEIVER_PAUSE
        assert Receiver(BOB, "slow.example").postponed_until(NOON) is None


class TestRepeatedCallback:
    def test_the_event_goes_to_the_queue_alone_and_has_the_same_id(
        self, queue: CallbackQueue, announced: Callable[[], list[dict[str, Any]]]
    ) -> None:
        received: list[Received] = []
        with server(answering(Reply(), received=received)) as url, queue_in_moto() as queue_url:
            job = ended_job(url)
            queue.receive(job, NOON)

            status, document, _ = call_api("POST", f"/jobs/{job.job_id}/callback")

            (message,) = client("sqs").receive_message(QueueUrl=queue_url)["Messages"]
            assert (status, document["id"]) == (202, job.job_id)
            assert json.loads(message["Body"])["detail"]["job_id"] == job.job_id
            queue.receive(job, NOON + HOUR)
        assert announced() == []
        assert len({request.headers["webhook-id"] for request in received}) == 1
        assert len(received) == 2
        assert len(shown_deliveries(job)) == 2

    def test_an_open_job_and_a_job_without_a_url_are_refused(self) -> None:
        held = replace(image_job(now=NOON), callback_url="https://example.com/")
        open_account(100)
        ledger.hold(held, key=None, now=NOON)
        for job, problem in ((held, "job-is-open"), (ended_job(None), "no-callback-url")):
            status, document, _ = call_api("POST", f"/jobs/{job.job_id}/callback")

            assert (status, document["type"]) == (409, f"/problems/{problem}")

    def test_another_account_and_an_unknown_job_are_not_found(self) -> None:
        job = ended_job("https://example.com/")

        assert call_api("POST", f"/jobs/{job.job_id}/callback", user="bob")[0] == 404
        assert call_api("POST", f"/jobs/{image_job().job_id}/callback")[0] == 404

    def test_repeats_are_limited_per_account_and_hour(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "CALLBACK_RESENDS_PER_HOUR_MAX", 1)
        at(monkeypatch, NOON)
        job = ended_job("https://example.com/")
        with queue_in_moto():
            statuses = [call_api("POST", f"/jobs/{job.job_id}/callback")[0] for _ in range(2)]

        assert statuses == [202, 429]

    def test_an_administrator_repeats_the_callback_of_any_account(self) -> None:
        with queue_in_moto() as queue_url:
            job = ended_job("https://example.com/")
            path = f"/admin/jobs/{job.job_id}/callback"

            assert call_api("POST", path, user="bob")[0] == 403
            status, document, _ = call_api("POST", path, **ADMIN)

            (message,) = client("sqs").receive_message(QueueUrl=queue_url)["Messages"]
        assert (status, document["account"]) == (202, {"platform": "web", "user": "ann"})
        assert json.loads(message["Body"])["detail"]["job_id"] == job.job_id

    def test_an_administrator_sees_the_deliveries_of_any_account(
        self, queue: CallbackQueue
    ) -> None:
        with server(answering(Reply())) as url:
            job = ended_job(url)
            queue.receive(job, NOON)

        _, document, _ = call_api("GET", f"/admin/jobs/{job.job_id}", **ADMIN)

        assert document["deliveries"] == shown_deliveries(job)
        assert len(document["deliveries"]) == 1
