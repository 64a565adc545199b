"""Provider slots: the maximum of predictions in flight, the queue, and the release of slots."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import RetryLater
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import jobs, ledger, provider_queue
from darkroom.storage.table import SlotRow
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, handler_of
from tests.builders import NOON, held_job, image_job, open_account, stored
from tests.integration.steps import at, is_open, key, with_setting

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture(autouse=True)
def two_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 2)


def job_of(user: str) -> Job:
    return held_job(account=AccountId("web", user))


def holders() -> set[str]:
    return {row.holder for row in SlotRow.query("SLOT#replicate")}


def holder(job: Job) -> str:
    return f"{job.account}/{job.job_id}"


def queue_for_slot(job: Job, now: datetime) -> float:
    """Queue a job that found no free slot. Returns the seconds until its next try."""
    jobs.record_waiting(job, now=now)
    return provider_queue.enqueue(job, now=now)


def enter(job: Job) -> None:
    handler_of("request_prediction")(
        key(job, task_token="t", entered_at=NOON.isoformat(), retry_count=0), CONTEXT
    )


def test_acquires_no_more_slots_than_the_maximum() -> None:
    first, second, third = job_of("a"), job_of("b"), job_of("c")

    assert provider_queue.acquire(first, now=NOON)
    assert provider_queue.acquire(second, now=NOON)
    assert not provider_queue.acquire(third, now=NOON)

    assert holders() == {holder(first), holder(second)}
    assert {stored(first).slot, stored(second).slot} == {"000", "001"}
    assert stored(third).slot is None


def test_stable_diffusion_has_one_slot_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def job(user: str) -> Job:
        job = image_job(account=open_account(100, AccountId("web", user)))
        model_input = replace(job.model_input, provider="stable_diffusion")
        return ledger.hold(replace(job, model_input=model_input), key=None, now=NOON)[0]

    assert provider_queue.acquire(job("a"), now=NOON)
    assert not provider_queue.acquire(job("b"), now=NOON)
    with_setting(monkeypatch, "STABLE_DIFFUSION_IN_FLIGHT_MAX", 2)
    assert provider_queue.acquire(job("c"), now=NOON)


def test_repeated_acquire_returns_the_same_slot() -> None:
    job = job_of("a")

    assert provider_queue.acquire(job, now=NOON)
    assert provider_queue.acquire(job, now=NOON), "the record in memory has no slot"
    assert provider_queue.acquire(stored(job), now=NOON)

    assert holders() == {holder(job)}


def test_final_job_acquires_no_slot() -> None:
    job = job_of("a")
    ledger.resolve(job.account, job.job_id, now=NOON)

    assert not provider_queue.acquire(job, now=NOON)
    assert holders() == set()


def test_resolving_a_job_releases_its_slot() -> None:
    job, other = job_of("a"), job_of("b")
    for each in (job, other):
        provider_queue.acquire(each, now=NOON)

    ledger.resolve(job.account, job.job_id, now=NOON)

    assert holders() == {holder(other)}
    assert stored(job).slot is None
    assert provider_queue.acquire(job_of("c"), now=NOON)


def test_job_that_lost_its_slot_can_be_resolved() -> None:
    job, other = job_of("a"), job_of("b")
    provider_queue.acquire(job, now=NOON)
    (row,) = SlotRow.query("SLOT#replicate")
    row.holder = holder(other)
    row.save()

    ended = ledger.resolve(job.account, job.job_id, now=NOON)

    assert (ended.status, ended.refunded) == (JobStatus.FAILED, 10)
    assert holders() == {holder(other)}


def test_recovery_releases_only_leaked_slots() -> None:
    job, final = job_of("a"), job_of("b")
    provider_queue.acquire(job, now=NOON)
    ledger.resolve(final.account, final.job_id, now=NOON)
    unknown_job = f"web/c/{final.job_id}"
    for slot, leaked_by in (("100", holder(final)), ("101", unknown_job)):
        SlotRow("SLOT#replicate", slot, holder=leaked_by, taken_at=NOON).save()

    handler_of("recover_jobs")({}, CONTEXT)

    assert holders() == {holder(job)}


def test_recovery_does_not_release_a_reused_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 1)
    ended, other = job_of("a"), job_of("b")
    provider_queue.acquire(ended, now=NOON)
    (seen,) = provider_queue.possibly_leaked("replicate", now=NOON + timedelta(minutes=2))
    ledger.resolve(ended.account, ended.job_id, now=NOON)
    assert provider_queue.acquire(other, now=NOON + timedelta(minutes=2))

    assert not provider_queue.release_if_leaked(seen)

    assert holders() == {holder(other)}


def test_unreadable_slot_does_not_stop_recovery_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    final = job_of("a")
    ledger.resolve(final.account, final.job_id, now=NOON)
    assert is_open(final)
    SlotRow("SLOT#replicate", "000", holder="not a job", taken_at=NOON).save()
    at(monkeypatch, final.created_at + timedelta(minutes=1))

    handler_of("recover_jobs")({}, CONTEXT)

    assert not is_open(final)


def test_recovery_ignores_slots_younger_than_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    final = job_of("a")
    ledger.resolve(final.account, final.job_id, now=NOON)
    SlotRow("SLOT#replicate", "000", holder=holder(final), taken_at=NOON).save()

    at(monkeypatch, NOON + timedelta(seconds=59))
    handler_of("recover_jobs")({}, CONTEXT)
    assert holders() == {holder(final)}
    at(monkeypatch, NOON + timedelta(seconds=60))
    handler_of("recover_jobs")({}, CONTEXT)

    assert holders() == set()


def test_job_without_a_free_slot_waits_and_requests_nothing(
    simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_jobs = [job_of(user) for user in "abc"]
    now = datetime.now(UTC)
    at(monkeypatch, now)
    for job in all_jobs[:2]:
        enter(job)

    with pytest.raises(RetryLater) as retry:
        enter(all_jobs[2])

    assert now + timedelta(seconds=2) <= retry.value.at <= now + timedelta(seconds=5)
    assert stored(all_jobs[2]).waiting_since == now
    assert stored(all_jobs[2]).attempts == ()
    response = requests.get(f"{simulated_replicate.base_url}/sim/predictions", timeout=5)
    assert len(response.json()["predictions"]) == 2
    ledger.resolve(all_jobs[0].account, all_jobs[0].job_id, now=now)
    enter(all_jobs[2])
    assert stored(all_jobs[2]).status is JobStatus.PROCESSING
    assert stored(all_jobs[2]).waiting_since is None


def test_first_queued_job_acquires_the_free_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 1)
    holding, first, second, newcomer = (job_of(user) for user in "abcd")
    assert provider_queue.acquire(holding, now=NOON)
    queue_for_slot(first, NOON)
    queue_for_slot(second, NOON + timedelta(seconds=1))
    ledger.resolve(holding.account, holding.job_id, now=NOON)
    now = NOON + timedelta(seconds=2)

    assert not provider_queue.acquire(newcomer, now=now)
    assert not provider_queue.acquire(stored(second), now=now)
    assert provider_queue.acquire(stored(first), now=now)
    ledger.resolve(first.account, first.job_id, now=now)
    assert not provider_queue.acquire(newcomer, now=now)
    assert provider_queue.acquire(stored(second), now=now)
    ledger.resolve(second.account, second.job_id, now=now)
    assert provider_queue.acquire(newcomer, now=now), "the queue is empty"


def test_job_passes_the_queue_when_enough_slots_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = job_of("a"), job_of("b")
    queue_for_slot(first, NOON)

    assert provider_queue.acquire(second, now=NOON), "two slots are free, and one job is queued"
    assert not provider_queue.acquire(job_of("c"), now=NOON)
    assert provider_queue.acquire(stored(first), now=NOON)


def test_expired_queue_entry_does_not_block_other_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 1)
    absent, other = job_of("a"), job_of("b")
    queue_for_slot(absent, NOON)

    assert not provider_queue.acquire(other, now=NOON + timedelta(seconds=18))
    assert provider_queue.acquire(other, now=NOON + timedelta(seconds=19))


def test_retry_keeps_the_position_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 1)
    first, other = job_of("a"), job_of("b")
    queue_for_slot(first, NOON)
    queue_for_slot(stored(first), NOON + timedelta(seconds=15))

    assert not provider_queue.acquire(other, now=NOON + timedelta(seconds=30))


def test_retry_delay_grows_with_the_queue_position() -> None:
    all_jobs = [job_of(f"user{number}") for number in range(30)]

    seconds = [
        queue_for_slot(job, NOON + timedelta(seconds=number)) for number, job in enumerate(all_jobs)
    ]

    assert seconds[:4] == [2, 2, 4, 4]
    assert seconds == sorted(seconds)
    assert max(seconds) == 20


def test_polling_needs_no_slot(
    simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of("a")
    enter(job)
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 0)

    handler_of("request_prediction")(
        key(
            job,
            task_token="u",
            entered_at=(NOON + timedelta(seconds=15)).isoformat(),
            retry_count=0,
        ),
        CONTEXT,
    )

    assert stored(job).task_token == "u"
    assert holders() == {holder(job)}
