"""Provider slots: the right to have one prediction in flight at a provider.

The setting `in_flight_max` is a provider's number of slots. Each slot in use is one row: writes are
spread over many rows, and recovery finds and releases leaked slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound
from darkroom.domain.jobs import Job
from darkroom.domain.provider_health import ProviderState
from darkroom.domain.provider_queue import Slot, entry_key
from darkroom.storage import jobs, provider_state
from darkroom.storage.job_rows import JobRow, key_of
from darkroom.storage.provider_state import STATE_SORT_KEY
from darkroom.storage.queue_rows import (
    ProviderStateRow,
    QueueEntryRow,
    SlotRow,
    queue_partition,
    to_provider_state,
    to_slot,
)
from darkroom.storage.transactions import Delete, Put, Refused, Update, transact

_AGE_MIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ProviderRows:
    """The slots in use and the state of a provider."""

    slots: tuple[Slot, ...]
    state: ProviderState


def read_provider(provider: str) -> ProviderRows:
    """Return the slots and the state of a provider. This is one strongly consistent query."""
    slots: list[Slot] = []
    state = ProviderState()
    for row in ProviderStateRow.query(provider_state.partition(provider), consistent_read=True):
        if row.sk == STATE_SORT_KEY:
            state = to_provider_state(row)
        else:
            slots.append(to_slot(row))
    return ProviderRows(tuple(slots), state)


def release_write(job: Job) -> Delete | None:
    """Return the write that releases the job's slot, for the transaction that updates the job.

    Returns None if the job holds no slot. The write is refused if another job holds the slot.
    """
    if job.slot is None:
        return None
    return Delete(
        SlotRow(provider_state.partition(job.model_input.provider), job.slot),
        SlotRow.holder == holder_of(job),
    )


def return_slot(job: Job, *, now: datetime) -> bool:
    """Give the job's slot back, and put the job in the queue with the virtual start it had.

    The caller makes the workflow wait for a slot. Returns False if the job has changed.
    """
    provider, release = job.model_input.provider, release_write(job)
    held = [slot for slot in read_provider(provider).slots if slot.name == job.slot]
    if release is None or not held:
        return False
    finish = held[0].finish
    start = max(finish - job.expected_seconds * 1_000, 0)
    entry = new_entry(job, start=start, finish=finish, now=now)
    try:
        transact(
            {
                "slot": release,
                "entry": Put(entry, QueueEntryRow.pk.does_not_exist()),
                "job": Update(
                    key_of(job.account, job.job_id),
                    [
                        JobRow.slot.remove(),
                        JobRow.queue_key.set(entry.sk),
                        JobRow.waiting_since.set(JobRow.waiting_since | now),
                        JobRow.next_check_at.set(job.queue_until),
                        JobRow.revision.add(1),
                    ],
                    jobs.IS_OPEN
                    & (JobRow.slot == job.slot)
                    & JobRow.queue_key.does_not_exist()
                    & JobRow.cancel_requested_at.does_not_exist(),
                ),
            }
        )
    except Refused:
        return False
    return True


def possibly_leaked(provider: str, *, now: datetime) -> Iterator[Slot]:
    """Yield the slots that are at least 60 seconds old. Each of them may have leaked.

    A query may return a new slot before the job's row shows it, although one transaction wrote
    both:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
    (section "Isolation levels").
    """
    return (slot for slot in read_provider(provider).slots if slot.taken_at <= now - _AGE_MIN)


def release_if_leaked(provider: str, slot: Slot) -> bool:
    """Release a slot whose job has ended, was deleted, or does not hold the slot.

    Returns whether the slot was leaked and is released now. A leaked slot is a bug.
    """
    try:
        job = jobs.read(AccountId.parse(slot.account), slot.job_id)
    except NotFound:
        job = None
    if job and job.slot == slot.name and not job.status.is_final:
        return False
    row = SlotRow(provider_state.partition(provider), slot.name)
    is_same = (SlotRow.holder == f"{slot.account}/{slot.job_id}") & (
        SlotRow.taken_at == slot.taken_at
    )
    try:
        transact({"slot": Delete(row, is_same)})
    except Refused:
        # The job or another run of recovery released the slot meanwhile. Another job may hold it.
        return False
    return True


def put_slot(provider: str, name: str, holder: str, *, finish: int, now: datetime) -> Put:
    """Return the write that gives a free slot to a job."""
    row = SlotRow(
        provider_state.partition(provider), name, holder=holder, finish=finish, taken_at=now
    )
    return Put(row, SlotRow.pk.does_not_exist())


def new_entry(job: Job, *, start: int, finish: int, now: datetime) -> QueueEntryRow:
    """Return the row of a new queue entry, with its virtual start and finish."""
    return QueueEntryRow(
        queue_partition(job.model_input.provider),
        entry_key(start, now.astimezone(UTC), job.job_id),
        holder=holder_of(job),
        start=start,
        finish=finish,
        enqueued_at=now,
    )


def holder_of(job: Job) -> str:
    """Return the text that names a job in its slot and its entry."""
    return f"{job.account}/{job.job_id}"
