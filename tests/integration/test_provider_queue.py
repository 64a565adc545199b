"""Provider slots and the queue: who gets a slot, and when a slot is released."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.provider_health import PauseReason
from darkroom.services import delete_job
from darkroom.storage import (
    jobs,
    ledger,
    provider_queue,
    provider_slots,
    provider_state,
    queue_flows,
)
from darkroom.storage.queue_rows import QueueEntryRow, SlotRow
from tests.builders import NOON, held_job, stored
from tests.integration.provider_slots import (
    PROVIDER,
    enqueue,
    enqueued,
    entries,
    holder,
    holders,
    job_of,
    stable_diffusion_job,
)
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")

LATER = NOON + timedelta(seconds=10)
PAUSED_UNTIL = NOON + timedelta(hours=1)


@pytest.fixture(autouse=True)
def two_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 2)


def take(*users: str) -> list[Job]:
    """Store a job of each user. The jobs take slots."""
    taken = [job_of(user) for user in users]
    for job in taken:
        assert provider_queue.take(job, now=NOON)
    return taken


def grant_next(now: datetime = LATER) -> str | None:
    """Grant one slot and return the holder, or None."""
    granted, _ = provider_queue.grant_next(PROVIDER, now=now)
    return holder(granted) if granted else None


class TestTake:
    def test_takes_no_more_slots_than_the_maximum(self) -> None:
        first, second = take("a", "b")
        third = job_of("c")

        assert not provider_queue.take(third, now=NOON)

        assert holders() == {holder(first), holder(second)}
        assert {stored(first).slot, stored(second).slot} == {"000", "001"}
        assert stored(third).slot is None

    def test_repeated_take_keeps_the_slot(self) -> None:
        (job,) = take("a")

        assert provider_queue.take(job, now=NOON), "the record in memory has no slot"
        assert provider_queue.take(stored(job), now=NOON)

        assert holders() == {holder(job)}

    def test_final_or_canceled_job_takes_no_slot(self) -> None:
        final, canceled = job_of("a"), job_of("b")
        ledger.resolve(final.account, final.job_id, now=NOON)
        jobs.request_cancel(canceled, next_check_at=NOON, now=NOON)

        assert not provider_queue.take(final, now=NOON)
        assert not provider_queue.take(canceled, now=NOON)
        assert holders() == set()

    def test_takes_no_slot_while_another_job_waits(self) -> None:
        waiting, newcomer = enqueued("a"), job_of("b")

        assert not provider_queue.take(newcomer, now=LATER), "two slots are free"
        assert grant_next() == holder(waiting)
        assert provider_queue.take(newcomer, now=LATER), "the queue is empty"

    def test_waiting_job_takes_no_slot_itself(self) -> None:
        assert not provider_queue.take(enqueued("a"), now=NOON)

    def test_paused_provider_gives_no_slot_until_the_pause_ends(self) -> None:
        job = job_of("a")
        provider_state.pause(PROVIDER, until=PAUSED_UNTIL, reason=PauseReason.SPEND, now=NOON)

        assert not provider_queue.take(job, now=PAUSED_UNTIL - timedelta(microseconds=1))
        assert provider_queue.take(job, now=PAUSED_UNTIL)

    def test_an_account_takes_no_more_slots_than_its_own_limit(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_PER_ACCOUNT_MAX", 1)
        take("a")

        assert not provider_queue.take(held_job(account=AccountId("web", "a")), now=NOON)
        assert provider_queue.take(job_of("b"), now=NOON)

    def test_stable_diffusion_has_one_slot_by_default(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert provider_queue.take(stable_diffusion_job("a"), now=NOON)
        assert not provider_queue.take(stable_diffusion_job("b"), now=NOON)

        with_setting(monkeypatch, "STABLE_DIFFUSION_IN_FLIGHT_MAX", 2)
        assert provider_queue.take(stable_diffusion_job("c"), now=NOON)


class TestEnqueue:
    def test_stores_the_entry_and_the_task_token_together(self) -> None:
        job = job_of("a")

        assert provider_queue.enqueue(job, "token", "entry", now=NOON)

        waiting = stored(job)
        assert [entry.sk for entry in entries()] == [waiting.queue_key]
        assert (waiting.task_token, waiting.state_entry) == ("token", "entry")
        assert (waiting.waiting_since, waiting.slot) == (NOON, None)

    @pytest.mark.parametrize("change", ["final", "canceled", "has a slot", "already waits"])
    def test_a_changed_job_gets_no_entry(self, change: str) -> None:
        job = job_of("a")
        match change:
            case "final":
                ledger.resolve(job.account, job.job_id, now=NOON)
            case "canceled":
                jobs.request_cancel(job, next_check_at=NOON, now=NOON)
            case "has a slot":
                provider_queue.take(job, now=NOON)
            case _:
                enqueue(job)
        before = entries()

        assert not provider_queue.enqueue(job, "token", "later entry", now=LATER)

        assert [entry.sk for entry in entries()] == [entry.sk for entry in before]

    def test_an_older_state_entry_stores_nothing(self) -> None:
        job = job_of("a")
        jobs.store_task_token(job, "new", "entry 2", next_check_at=NOON)

        assert not provider_queue.enqueue(job, "old", "entry 1", now=NOON)
        assert (stored(job).task_token, entries()) == ("new", [])

    def test_entries_of_one_account_follow_each_other(self) -> None:
        first, second = enqueued("a"), enqueued("a")
        other = enqueued("b")

        starts = {entry.holder: (entry.start, entry.finish) for entry in entries()}
        milliseconds = first.expected_seconds * 1_000
        assert starts == {
            holder(first): (0, milliseconds),
            holder(second): (milliseconds, 2 * milliseconds),
            holder(other): (0, milliseconds),
        }

    def test_a_renewed_token_keeps_the_entry(self) -> None:
        job = enqueued("a")

        assert provider_queue.renew_token(job, "new", "entry 2")
        assert not provider_queue.renew_token(job, "old", "entry 1"), "an older state entry"

        assert (stored(job).task_token, stored(job).queue_key) == ("new", job.queue_key)

    def test_a_granted_job_renews_no_token(self) -> None:
        job = enqueued("a")
        grant_next()

        assert not provider_queue.renew_token(job, "new", "entry 2")


class TestGrant:
    def test_grants_free_slots_in_the_order_of_the_entries(self) -> None:
        take("x", "y")
        (first, second), third = [enqueued("a"), enqueued("b")], enqueued("a")
        assert grant_next() is None, "no slot is free"

        for slot in provider_slots.read_provider(PROVIDER).slots:
            ledger.resolve(AccountId.parse(slot.account), slot.job_id, now=NOON)

        assert [grant_next(), grant_next(), grant_next()] == [holder(first), holder(second), None]
        assert holders() == {holder(first), holder(second)}
        assert [entry.holder for entry in entries()] == [holder(third)]
        assert all(stored(job).slot and not stored(job).queue_key for job in (first, second))

    def test_a_newcomer_precedes_the_next_job_of_an_account_that_holds_all_slots(self) -> None:
        take("a", "a")
        next_job, newcomer = enqueued("a"), enqueued("b")
        for slot in provider_slots.read_provider(PROVIDER).slots:
            ledger.resolve(AccountId.parse(slot.account), slot.job_id, now=NOON)

        assert [grant_next(), grant_next()] == [holder(newcomer), holder(next_job)]

    def test_a_grant_advances_the_virtual_time(self) -> None:
        first, second = enqueued("a"), enqueued("a")
        grant_next()
        assert provider_state.read_state(PROVIDER).virtual_time == 0

        grant_next()

        finish = first.expected_seconds * 1_000
        assert stored(second).slot
        assert provider_state.read_state(PROVIDER).virtual_time == finish
        # So the next account starts beside the waiting jobs, not before all of them.
        assert provider_queue.enqueue(job := job_of("b"), "token", "entry", now=LATER)
        assert (stored(job).queue_key or "").startswith(f"{finish:017}#")

    def test_a_paused_provider_grants_nothing_until_it_is_resumed(self) -> None:
        job = enqueued("a")
        assert provider_state.pause(
            PROVIDER, until=PAUSED_UNTIL, reason=PauseReason.SPEND, now=NOON
        )
        assert not provider_state.pause(PROVIDER, until=LATER, reason=PauseReason.SPEND, now=NOON)

        assert grant_next(PAUSED_UNTIL - timedelta(microseconds=1)) is None
        provider_state.resume(PROVIDER)
        assert grant_next() == holder(job)

    @pytest.mark.parametrize("end", ["canceled", "resolved", "deleted"])
    def test_the_entry_of_a_job_that_waits_no_more_is_removed(self, end: str) -> None:
        gone, other = enqueued("a"), enqueued("b")
        jobs.request_cancel(gone, next_check_at=NOON, now=NOON)
        if end != "canceled":
            jobs.leave_open_jobs(ledger.resolve(gone.account, gone.job_id, now=NOON))
        if end == "deleted":
            delete_job.delete(gone.account, gone.job_id, now=NOON)
        row = QueueEntryRow(f"QUEUE#{PROVIDER}", gone.queue_key, holder=holder(gone), start=0)
        row.finish, row.enqueued_at = 0, NOON
        row.save()

        assert grant_next() == holder(other)
        assert entries() == []

    def test_an_account_at_its_own_limit_is_passed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_PER_ACCOUNT_MAX", 1)
        first, second, other = enqueued("a"), enqueued("a"), enqueued("b")

        assert [grant_next(), grant_next(), grant_next()] == [holder(first), holder(other), None]
        ledger.resolve(first.account, first.job_id, now=NOON)
        assert grant_next() == holder(second)

    def test_a_lowered_limit_keeps_the_slots_in_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = take("a", "b")
        waiting = enqueued("c")
        with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 1)
        high, low = sorted((first, second), key=lambda job: stored(job).slot or "", reverse=True)
        ledger.resolve(high.account, high.job_id, now=NOON)

        assert grant_next() is None, "slot 001 is above the limit"
        ledger.resolve(low.account, low.job_id, now=NOON)
        assert grant_next() == holder(waiting)
        assert stored(waiting).slot == "000"

    def test_the_entries_of_release_0_1_0_are_removed(self) -> None:
        # They have a time in the sort key, and no holder.
        QueueEntryRow(f"QUEUE#{PROVIDER}", f"{NOON.isoformat()}#id").save()
        job = enqueued("a")

        assert [grant_next(), grant_next()] == [holder(job), None]
        assert list(QueueEntryRow.query(f"QUEUE#{PROVIDER}")) == []


class TestLeave:
    def test_a_job_that_leaves_has_no_entry(self) -> None:
        job = enqueued("a")

        assert provider_queue.leave(job)

        assert (stored(job).queue_key, entries(), grant_next()) == (None, [], None)

    def test_a_job_that_was_granted_a_slot_cannot_leave(self) -> None:
        job = enqueued("a")
        grant_next()

        assert not provider_queue.leave(job)
        assert stored(job).slot

    def test_resolving_a_job_releases_its_slot(self) -> None:
        job, other = take("a", "b")

        ledger.resolve(job.account, job.job_id, now=NOON)

        assert (holders(), stored(job).slot) == ({holder(other)}, None)
        assert provider_queue.take(job_of("c"), now=NOON)

    def test_job_that_lost_its_slot_can_be_resolved(self) -> None:
        job, other = take("a")[0], job_of("b")
        (slot,) = provider_slots.read_provider(PROVIDER).slots
        row = SlotRow.get(f"SLOT#{PROVIDER}", slot.name)
        row.holder = holder(other)
        row.save()

        ended = ledger.resolve(job.account, job.job_id, now=NOON)

        assert (ended.status, ended.refunded) == (JobStatus.FAILED, 10)
        assert holders() == {holder(other)}


def test_the_flow_of_an_account_is_corrected_if_it_exists() -> None:
    waiting, newcomer = enqueued("a"), job_of("b")
    queue_flows.correct(waiting, 5_000)
    queue_flows.correct(newcomer, 5_000)

    second, first_of_b = enqueued("a"), enqueued("b")

    starts = {entry.holder: entry.start for entry in entries()}
    assert starts[holder(second)] == waiting.expected_seconds * 1_000 + 5_000
    assert starts[holder(first_of_b)] == 0
