"""The steps of a job that finds no free slot, and recovery of slots and queues."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
import requests

from darkroom.domain.errors import ProviderQueueFull, RetryLater
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.provider_health import PauseReason
from darkroom.services import receive_webhook
from darkroom.storage import attempts, jobs, ledger, provider_queue, provider_slots, provider_state
from darkroom.storage.queue_rows import SlotRow
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, handler_of
from tests.builders import NOON, held_job, stored
from tests.integration.provider_slots import (
    PROVIDER,
    enqueue,
    enqueued,
    entries,
    holder,
    holders,
    job_of,
)
from tests.integration.steps import at, is_open, key, sends, with_setting

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture(autouse=True)
def one_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 1)


def enter(job: Job, function: str, *, seconds: int = 0, **more: object) -> None:
    entered_at = (NOON + timedelta(seconds=seconds)).isoformat()
    event = key(
        job, task_token=f"{function} {seconds}", entered_at=entered_at, retry_count=0, **more
    )
    handler_of(function)(event, CONTEXT)


def recover(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    at(monkeypatch, now)
    handler_of("recover_jobs")({}, CONTEXT)


def requested(replicate: SimulatedReplicate) -> int:
    response = requests.get(f"{replicate.base_url}/sim/predictions", timeout=5)
    return len(response.json()["predictions"])


class TestSteps:
    @pytest.fixture(autouse=True)
    def without_webhooks(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.replicate = simulated_replicate
        with_setting(monkeypatch, "PUBLIC_URL", "http://127.0.0.1:9")

    def test_a_job_waits_in_the_queue_and_starts_with_the_next_slot(
        self, resumed: list[str]
    ) -> None:
        running, waiting = job_of("a"), job_of("b")
        enter(running, "request_prediction", has_queue_state=True)

        with sends(ProviderQueueFull):
            enter(waiting, "request_prediction", has_queue_state=True)
        enter(waiting, "wait_for_slot", seconds=1)

        assert (stored(waiting).attempts, requested(self.replicate)) == ((), 1)
        assert stored(waiting).task_token == "wait_for_slot 1"
        assert resumed == []
        ledger.resolve(running.account, running.job_id, now=NOON)
        granted, _ = provider_queue.grant_next(PROVIDER, now=NOON)
        assert granted
        enter(waiting, "request_prediction", seconds=2, has_queue_state=True)
        assert (stored(waiting).status, stored(waiting).waiting_since) == (
            JobStatus.PROCESSING,
            None,
        )

    def test_an_execution_of_release_0_1_0_polls_and_keeps_its_place(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running, waiting = held_job(), job_of("b")
        provider_queue.take(running, now=NOON)
        now = waiting.created_at.replace(microsecond=0)
        at(monkeypatch, now)

        with sends(RetryLater) as first:
            enter(waiting, "request_prediction")
        (entry,) = entries()
        with sends(RetryLater):
            enter(waiting, "request_prediction", seconds=20)

        assert first.at == now + timedelta(seconds=21)
        assert [each.sk for each in entries()] == [entry.sk] == [stored(waiting).queue_key]
        assert stored(waiting).task_token == "request_prediction 20"
        ledger.resolve(running.account, running.job_id, now=NOON)
        provider_queue.grant_next(PROVIDER, now=now)
        enter(waiting, "request_prediction", seconds=40)
        assert stored(waiting).status is JobStatus.PROCESSING

    def test_polling_needs_no_slot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = job_of("a")
        enter(job, "request_prediction", has_queue_state=True)
        with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 0)

        enter(job, "request_prediction", seconds=15, has_queue_state=True)

        assert stored(job).task_token == "request_prediction 15"
        assert holders() == {holder(job)}


class TestWebhook:
    @pytest.mark.parametrize(("status", "is_freed"), [("succeeded", True), ("failed", False)])
    def test_only_a_success_frees_the_slot_for_the_next_job(
        self, status: str, is_freed: bool, resumed: list[str]
    ) -> None:
        job, waiting = job_of("a"), job_of("b")
        provider_queue.take(job, now=NOON)
        jobs.store_task_token(job, "token", "entry", next_check_at=NOON)
        attempt = attempts.begin_attempt(stored(job), "entry", lease_until=NOON, now=NOON)
        assert attempt
        enqueue(waiting)
        body = {"id": "prediction", "status": status}

        receive_webhook._record(
            stored(job), attempt, receive_webhook._parse_payload(json.dumps(body).encode())
        )

        assert holders() == {holder(waiting if is_freed else job)}
        assert resumed == ["token", *([stored(waiting).task_token] if is_freed else [])]


class TestWaitForSlot:
    def test_looks_for_a_free_slot_again_after_it_entered_the_queue(
        self, resumed: list[str]
    ) -> None:
        job = job_of("a")

        enter(job, "wait_for_slot")

        assert (stored(job).slot, entries(), resumed) == ("000", [], ["wait_for_slot 0"])

    def test_a_second_entry_keeps_the_place(self) -> None:
        provider_queue.take(job_of("x"), now=NOON)
        job = job_of("a")
        enter(job, "wait_for_slot")
        queue_key = stored(job).queue_key

        enter(job, "wait_for_slot", seconds=5)

        assert [each.sk for each in entries()] == [stored(job).queue_key] == [queue_key]
        assert stored(job).task_token == "wait_for_slot 5"

    @pytest.mark.parametrize("reason", ["final", "slot", "canceled", "queue time is over"])
    def test_a_job_that_must_not_wait_is_resumed(
        self, reason: str, resumed: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = job_of("a")
        match reason:
            case "final":
                ledger.resolve(job.account, job.job_id, now=NOON)
            case "slot":
                provider_queue.take(job, now=NOON)
            case "canceled":
                jobs.request_cancel(job, next_check_at=NOON, now=NOON)
            case _:
                at(monkeypatch, job.queue_until)

        enter(job, "wait_for_slot")

        assert resumed == ["wait_for_slot 0"]
        assert entries() == []

    def test_a_job_waits_until_queue_until_and_no_longer(
        self, resumed: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider_queue.take(job_of("x"), now=NOON)
        job = job_of("a")
        at(monkeypatch, job.queue_until - timedelta(microseconds=1))

        enter(job, "wait_for_slot")

        assert (stored(job).queue_key is None, resumed) == (False, [])


class TestRecovery:
    def test_gives_free_slots_to_waiting_jobs_after_a_crash(
        self, resumed: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 4)
        all_jobs = [enqueued(user) for user in "abcde"]

        recover(monkeypatch, NOON)

        assert len(holders()) == 4
        assert len(resumed) == 4
        assert [entry.holder for entry in entries()] == [
            holder(job) for job in all_jobs if not stored(job).slot
        ]

    def test_gives_no_slot_of_a_paused_provider(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = enqueued("a")
        until = NOON + timedelta(hours=1)
        provider_state.pause(PROVIDER, until=until, reason=PauseReason.SPEND, now=NOON)

        recover(monkeypatch, until - timedelta(seconds=1))
        assert holders() == set()
        recover(monkeypatch, until)
        assert holders() == {holder(job)}

    def test_releases_only_leaked_slots_and_grants_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running, final, waiting = job_of("a"), job_of("b"), job_of("c")
        provider_queue.take(running, now=NOON)
        with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 2)
        ledger.resolve(final.account, final.job_id, now=NOON)
        enqueue(waiting)
        for slot, leaked_by in (("001", holder(final)), ("101", f"web/d/{final.job_id}")):
            SlotRow(f"SLOT#{PROVIDER}", slot, holder=leaked_by, finish=0, taken_at=NOON).save()

        recover(monkeypatch, NOON + timedelta(minutes=2))

        assert holders() == {holder(running), holder(waiting)}

    def test_does_not_release_a_reused_slot(self) -> None:
        ended, other = job_of("a"), job_of("b")
        provider_queue.take(ended, now=NOON)
        later = NOON + timedelta(minutes=2)
        (seen,) = provider_slots.possibly_leaked(PROVIDER, now=later)
        ledger.resolve(ended.account, ended.job_id, now=NOON)
        assert provider_queue.take(other, now=later)

        assert not provider_slots.release_if_leaked(PROVIDER, seen)

        assert holders() == {holder(other)}

    def test_an_unreadable_slot_does_not_stop_the_recovery_of_jobs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        final = job_of("a")
        ledger.resolve(final.account, final.job_id, now=NOON)
        assert is_open(final)
        SlotRow(f"SLOT#{PROVIDER}", "000", holder="not a job", taken_at=NOON).save()

        recover(monkeypatch, final.created_at + timedelta(minutes=1))

        assert not is_open(final)

    def test_ignores_slots_younger_than_a_minute(self, monkeypatch: pytest.MonkeyPatch) -> None:
        final = job_of("a")
        ledger.resolve(final.account, final.job_id, now=NOON)
        SlotRow(f"SLOT#{PROVIDER}", "000", holder=holder(final), taken_at=NOON).save()

        recover(monkeypatch, NOON + timedelta(seconds=59))
        assert holders() == {holder(final)}
        recover(monkeypatch, NOON + timedelta(seconds=60))
        assert holders() == set()
