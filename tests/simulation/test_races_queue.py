"""32 threads use the same queue: each slot is granted once, and no job waits and has a slot."""

from __future__ import annotations

import random
import time
from itertools import pairwise

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.storage import jobs, ledger, provider_queue, provider_slots
from darkroom.storage.queue_rows import QueueEntryRow
from tests.builders import ANN, NOON, image_job, open_account, stored
from tests.simulation.account_records import checked_records
from tests.simulation.race import THREADS, Race, raised

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

SLOTS = 5
WAITING = 8
SUBMITTED_AT_ONCE = 20
_TRIES_MAX = 30


def enqueue(job: Job) -> bool:
    """Enter the queue as the state WaitForSlot does: read the job again after each conflict."""
    for _ in range(_TRIES_MAX):
        current = stored(job)
        if current.queue_key or provider_queue.enqueue(current, "token", "entry", now=NOON):
            return True
        time.sleep(random.uniform(0, 0.2))
    return False


def waiting_jobs(count: int) -> list[Job]:
    accounts = [open_account(10 * count, AccountId("web", user)) for user in ("ann", "bob")]
    made = [
        ledger.hold(image_job(account=accounts[number % 2], now=NOON), key=None, now=NOON)[0]
        for number in range(count)
    ]
    assert all(map(enqueue, made))
    return [stored(job) for job in made]


def grant() -> str | None:
    granted, _ = provider_queue.grant_next("replicate", now=NOON)
    return granted.job_id if granted else None


def check(all_jobs: list[Job]) -> list[Job]:
    """Check slots, entries and jobs. Return the current jobs."""
    current = [stored(job) for job in all_jobs]
    slots = {slot.name: slot.job_id for slot in provider_slots.read_provider("replicate").slots}
    assert len(slots) <= SLOTS
    assert slots == {job.slot: job.job_id for job in current if job.slot}
    assert not [job for job in current if job.slot and job.queue_key]
    entries = {row.sk for row in QueueEntryRow.query("QUEUE#replicate", consistent_read=True)}
    wait = {job.queue_key for job in current if job.queue_key and not job.cancel_requested_at}
    assert wait <= entries
    return current


def test_dispatchers_grant_each_slot_once_and_to_the_first_jobs(race: Race) -> None:
    all_jobs = waiting_jobs(WAITING)

    granted = [outcome for outcome in race.run(lambda _: grant()) if outcome]

    current = check(all_jobs)
    first = sorted(all_jobs, key=lambda job: job.queue_key or "")[:SLOTS]
    assert sorted(map(str, granted)) == sorted(job.job_id for job in first)
    assert sum(job.slot is not None for job in current) == SLOTS


def test_one_free_slot_is_granted_once(race: Race) -> None:
    all_jobs = waiting_jobs(WAITING)
    while grant():
        pass
    ended = next(job for job in all_jobs if stored(job).slot)
    ledger.resolve(ended.account, ended.job_id, now=NOON)

    granted = [outcome for outcome in race.run(lambda _: grant()) if outcome]

    assert len(granted) == 1
    check(all_jobs)


def test_a_grant_meets_a_cancel_a_leave_and_an_end(race: Race) -> None:
    all_jobs = waiting_jobs(WAITING)

    def act(worker: int) -> object:
        job = all_jobs[worker % WAITING]
        match worker // WAITING:
            case 0:
                return grant()
            case 1:
                return jobs.request_cancel(job, next_check_at=NOON, now=NOON)
            case 2:
                return provider_queue.leave(job)
            case _:
                return ledger.resolve(job.account, job.job_id, now=NOON)

    outcomes = race.run(act)

    assert raised(outcomes) == []
    while grant():
        pass
    current = check(all_jobs)
    assert all(job.status.is_final and not job.slot for job in current)
    assert list(QueueEntryRow.query("QUEUE#replicate", consistent_read=True)) == []
    for user in ("ann", "bob"):
        checked_records(AccountId("web", user))


def test_a_job_leaves_the_queue_or_has_a_slot(race: Race) -> None:
    all_jobs = waiting_jobs(WAITING)

    def act(worker: int) -> object:
        return grant() if worker % 2 else provider_queue.leave(all_jobs[worker // 2 % WAITING])

    outcomes = race.run(act)

    current = check(all_jobs)
    left = {all_jobs[n // 2 % WAITING].job_id for n in range(0, THREADS, 2) if outcomes[n] is True}
    assert left == {job.job_id for job in current if not job.slot}


def test_twenty_jobs_of_one_account_enter_the_queue_at_once(race: Race) -> None:
    open_account(10 * SUBMITTED_AT_ONCE)
    submitted = [
        ledger.hold(image_job(now=NOON), key=None, now=NOON)[0] for _ in range(SUBMITTED_AT_ONCE)
    ]

    outcomes = race.run(lambda worker: enqueue(submitted[worker % SUBMITTED_AT_ONCE]))

    assert outcomes == [True] * THREADS
    rows = list(QueueEntryRow.query("QUEUE#replicate", consistent_read=True))
    assert [row.sk for row in rows] == sorted(job.queue_key or "" for job in map(stored, submitted))
    # Each entry starts when the previous one finishes: no update of the flow was lost.
    assert all(later.start == earlier.finish for earlier, later in pairwise(rows))
    checked_records(ANN)
