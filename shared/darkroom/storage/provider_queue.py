"""Provider slots, and the queue for them.

A provider slot is the right to have one prediction in flight at a provider. The setting
`in_flight_max` is a provider's number of slots. Each slot in use is one row: writes are spread over
many rows, and recovery finds and releases leaked slots.

A job that finds no free slot enters the queue and tries again. The job that has waited longest gets
the next free slot. A job holds its slot until its end.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound
from darkroom.domain.jobs import Job
from darkroom.settings import settings
from darkroom.storage import jobs
from darkroom.storage.job_rows import JobRow, key_of
from darkroom.storage.table import QueueEntryRow, SlotRow
from darkroom.storage.transactions import Delete, Put, Refused, Update, transact

_TRIES_MAX = 3
_AGE_MIN = timedelta(seconds=60)
_RETRY_SECONDS_MIN = 2.0
_RETRY_SECONDS_MAX = 20.0
# Jobs ahead are counted up to this number, which gives the longest retry interval by default.
_COUNTED_AHEAD_MAX = 100
# A retry may be late by its jitter and by the delays of Step Functions and Lambda.
_DELAY_SECONDS_MAX = 15


def acquire(job: Job, *, now: datetime) -> bool:
    """Acquire a slot for an open job. Returns whether the job holds one now.

    Each queued job reserves one free slot: if at least as many jobs are ahead as slots are free,
    this job must wait. One transaction creates the slot, updates the job, and deletes the queue
    entry.
    """
    if job.slot:
        return True
    in_use = {
        row.sk for row in SlotRow.query(_partition(job.model_input.provider), consistent_read=True)
    }
    free = [
        name
        for number in range(settings().in_flight_max(job.model_input.provider))
        if (name := f"{number:03}") not in in_use
    ]
    if _count_ahead(job, now, at_most=len(free)) >= len(free):
        return False
    delete_queue_entry = (
        {"queue_entry": Delete(_queue_entry(job, now), None)} if job.waiting_since else {}
    )
    for name in random.sample(free, min(len(free), _TRIES_MAX)):
        slot = SlotRow(
            _partition(job.model_input.provider), name, holder=_holder(job), taken_at=now
        )
        actions = [JobRow.slot.set(name), JobRow.revision.add(1)]
        may_hold_slot = JobRow.slot.does_not_exist() & jobs.IS_OPEN
        try:
            transact(
                {
                    "slot": Put(slot, SlotRow.pk.does_not_exist()),
                    "job": Update(key_of(job.account, job.job_id), actions, may_hold_slot),
                    **delete_queue_entry,
                }
            )
        except Refused as refused:
            if "job" in refused.rows:
                return jobs.read(job.account, job.job_id).slot is not None
        else:
            return True
    return False


def enqueue(job: Job, *, now: datetime) -> float:
    """Create or renew the job's queue entry. Returns the seconds until the next try.

    The queue is sorted by the start of the wait. The next try is after 2 to 20 seconds: a job with
    more jobs ahead tries less often.
    """
    rounds = _count_ahead(job, now, at_most=_COUNTED_AHEAD_MAX) // max(
        settings().in_flight_max(job.model_input.provider), 1
    )
    seconds = min(_RETRY_SECONDS_MIN * (1 + rounds), _RETRY_SECONDS_MAX)
    entry = _queue_entry(job, now)
    entry.alive_until = now + timedelta(seconds=2 * seconds + _DELAY_SECONDS_MAX)
    entry.expires_at = int(entry.alive_until.timestamp())
    entry.save()
    return seconds


def release_write(job: Job) -> Delete | None:
    """Return the write that releases the job's slot, for the transaction that ends the job.

    Returns None if the job holds no slot. The write is refused if another job holds the slot.
    """
    if job.slot is None:
        return None
    return Delete(
        SlotRow(_partition(job.model_input.provider), job.slot), SlotRow.holder == _holder(job)
    )


def possibly_leaked(provider: str, *, now: datetime) -> Iterator[SlotRow]:
    """Yield the slots that are at least 60 seconds old. Each of them may have leaked.

    A query may return a new slot before the job's row shows it, although one transaction wrote
    both:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
    (section "Isolation levels").
    """
    return iter(
        SlotRow.query(
            _partition(provider),
            filter_condition=SlotRow.taken_at <= now - _AGE_MIN,
            consistent_read=True,
        )
    )


def release_if_leaked(slot: SlotRow) -> bool:
    """Release a slot whose job has ended, was deleted, or does not hold the slot.

    Returns whether the slot was leaked and is released now. A leaked slot is a bug.
    """
    account, _, job_id = slot.holder.rpartition("/")
    try:
        job = jobs.read(AccountId.parse(account), job_id)
    except NotFound:
        job = None
    if job and job.slot == slot.sk and not job.status.is_final:
        return False
    try:
        transact(
            {
                "slot": Delete(
                    slot, (SlotRow.holder == slot.holder) & (SlotRow.taken_at == slot.taken_at)
                )
            }
        )
    except Refused:
        # The job or another run of recovery released the slot meanwhile. Another job may hold it.
        return False
    return True


def _queue_entry(job: Job, now: datetime) -> QueueEntryRow:
    since = job.waiting_since or now
    return QueueEntryRow(
        f"QUEUE#{job.model_input.provider}",
        f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}#{job.job_id}",
    )


def _count_ahead(job: Job, now: datetime, *, at_most: int) -> int:
    """Count the live queue entries ahead of the job, up to `at_most`."""
    entry = _queue_entry(job, now)
    waiting = QueueEntryRow.query(
        entry.pk, QueueEntryRow.sk < entry.sk, QueueEntryRow.alive_until > now, consistent_read=True
    )
    return sum(1 for _ in islice(waiting, at_most))


def _partition(provider: str) -> str:
    return f"SLOT#{provider}"


def _holder(job: Job) -> str:
    return f"{job.account}/{job.job_id}"
