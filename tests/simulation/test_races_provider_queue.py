"""32 threads use the same slots: no slot has two holders, no job has two slots, and none leaks."""

from __future__ import annotations

from datetime import timedelta

from darkroom.domain.jobs import Job
from darkroom.storage import ledger, provider_queue, provider_slots
from darkroom.storage.queue_rows import SlotRow
from tests.builders import ANN, NOON, image_job, open_account, stored
from tests.simulation.account_records import checked_records
from tests.simulation.race import THREADS, Race, raised

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

SLOTS = 5
LATER = NOON + timedelta(hours=1)


def held_jobs(count: int) -> list[Job]:
    open_account(10 * count)
    return [ledger.hold(image_job(now=NOON), key=None, now=NOON)[0] for _ in range(count)]


def acquire(job: Job) -> bool:
    return provider_queue.take(stored(job), now=NOON)


def resolve(job: Job) -> Job:
    return ledger.resolve(job.account, job.job_id, now=NOON)


def holders() -> dict[str, str]:
    """Return the holder of each slot, from the slots."""
    slots = provider_slots.read_provider("replicate").slots
    return {slot.name: f"{slot.account}/{slot.job_id}" for slot in slots}


def held_slots(jobs: list[Job]) -> dict[str, str]:
    """Return the holder of each slot, from the jobs. Fails if two jobs have the same slot."""
    held = [(job.slot, f"{job.account}/{job.job_id}") for job in map(stored, jobs) if job.slot]
    assert len(dict(held)) == len(held)
    return dict(held)


def test_a_slot_has_one_holder_and_a_job_one_slot(race: Race) -> None:
    jobs = held_jobs(12)

    race.run(lambda worker: acquire(jobs[worker % 12]))
    race.run(lambda worker: acquire(jobs[worker % 12]))

    assert len(holders()) == SLOTS
    assert holders() == held_slots(jobs)
    race.run(lambda worker: resolve(jobs[worker % 12]))
    assert holders() == {}
    checked_records(ANN)


def test_a_released_slot_is_acquired_by_one_job(race: Race) -> None:
    jobs = held_jobs(12)
    assert [acquire(job) for job in jobs[: SLOTS + 1]] == [True] * SLOTS + [False]

    def end_or_acquire(worker: int) -> object:
        return resolve(jobs[worker]) if worker < SLOTS else acquire(jobs[SLOTS + worker % 7])

    race.run(end_or_acquire)

    assert len(holders()) <= SLOTS
    assert holders() == held_slots(jobs)
    assert not any(stored(job).slot for job in jobs[:SLOTS])
    checked_records(ANN)


def release_leaked() -> list[str]:
    """Release leaked slots as recovery does, and return their holders."""
    return [
        f"{slot.account}/{slot.job_id}"
        for slot in provider_slots.possibly_leaked("replicate", now=LATER)
        if provider_slots.release_if_leaked("replicate", slot)
    ]


def test_only_the_leaked_slot_is_released_and_only_once(race: Race) -> None:
    leaking, holding = held_jobs(2)
    assert acquire(holding)
    (held,) = holders()
    leaked = next(name for name in ("000", "001") if name != held)
    SlotRow(
        "SLOT#replicate", leaked, holder=f"{leaking.account}/{leaking.job_id}", taken_at=NOON
    ).save()

    outcomes = race.run(lambda _: release_leaked())

    assert sorted(map(str, outcomes)) == [
        str([f"{leaking.account}/{leaking.job_id}"]),
        *["[]"] * (THREADS - 1),
    ]
    assert holders() == held_slots([leaking, holding])


def test_a_slot_released_by_its_job_is_not_a_leak(race: Race) -> None:
    jobs = held_jobs(SLOTS)
    assert all(acquire(job) for job in jobs)

    def end_or_release_leaked(worker: int) -> list[str]:
        if worker < SLOTS:
            resolve(jobs[worker])
            return []
        return [leak for _ in range(3) for leak in release_leaked()]

    outcomes = race.run(end_or_release_leaked)

    assert raised(outcomes) == []
    assert outcomes == [[]] * THREADS
    assert holders() == {}
    checked_records(ANN)
