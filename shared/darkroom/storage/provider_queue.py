"""Provider slots, and the queue for them.

A provider has as many slots as predictions may be in flight there. Each slot is one item, so no item is hot, and a leaked slot can be
seen and released. A job that finds no free slot enters the queue. A free slot goes to the job that has waited longest.
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
# Positions beyond this one are not told apart.
_COUNTED_AHEAD_MAX = 100
# A retry comes later than planned: by its jitter, and by the delays of Step Functions and Lambda.
_DELAY_SECONDS_MAX = 15


def acquire(job: Job, *, now: datetime) -> bool:
    """Acquire a slot for an open job, and return whether the job has one now.

    Each queued job reserves one free slot: if `queued_ahead >= free`, this job must wait. Slot, job and queue entry change in one
    transaction.
    """
    if job.slot:
        return True
    taken = {
        row.sk for row in SlotRow.query(_partition(job.model_input.provider), consistent_read=True)
    }
    free = [
        name
        for number in range(settings().in_flight_max(job.model_input.provider))
        if (name := f"{number:03}") not in taken
    ]
    if _count_ahead(job, now, at_most=len(free)) >= len(free):
        return False
    leaving_the_queue = (
        {"queue_entry": Delete(_queue_entry(job, now), None)} if job.waiting_since else {}
    )
    for name in random.sample(free, min(len(free), _TRIES_MAX)):
        slot = SlotRow(
            _partition(job.model_input.provider), name, holder=_holder(job), taken_at=now
        )
        holding = [JobRow.slot.set(name), JobRow.revision.add(1)]
        is_free_to_take = JobRow.slot.does_not_exist() & jobs.IS_OPEN
        try:
            transact(
                {
                    "slot": Put(slot, SlotRow.pk.does_not_exist()),
                    "job": Update(key_of(job.account, job.job_id), holding, is_free_to_take),
                    **leaving_the_queue,
                }
            )
        except Refused as refused:
            if "job" in refused.rows:
                return jobs.read(job.account, job.job_id).slot is not None
        else:
            return True
    return False


def enqueue(job: Job, *, now: datetime) -> float:
    """Enter the queue, or stay in it, and return after how many seconds to try again.

    The position is the time since when the job waits. A job that is far behind tries less often.
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
    """Return the write that releases the job's slot, for the transaction that ends the job. None: the job holds no slot."""
    if job.slot is None:
        return None
    return Delete(
        SlotRow(_partition(job.model_input.provider), job.slot), SlotRow.holder == _holder(job)
    )


def possibly_leaked(provider: str, *, now: datetime) -> Iterator[SlotRow]:
    """Yield the slots that may have leaked.

    A slot may be seen a moment before the job that took it in the same transaction (docs.aws.amazon.com/amazondynamodb/latest/developerguide/
    transaction-apis.html, "Isolation levels"), so young ones are left alone.
    """
    return iter(
        SlotRow.query(
            _partition(provider),
            filter_condition=SlotRow.taken_at <= now - _AGE_MIN,
            consistent_read=True,
        )
    )


def release_if_leaked(slot: SlotRow) -> bool:
    """Release a slot whose job has ended, was deleted, or does not hold it. Return whether it had leaked, which is a bug."""
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
        # Its job or another recovery has released it meanwhile. Another job may hold it by now.
        return False
    return True


def _queue_entry(job: Job, now: datetime) -> QueueEntryRow:
    since = job.waiting_since or now
    return QueueEntryRow(
        f"QUEUE#{job.model_input.provider}",
        f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}#{job.job_id}",
    )


def _count_ahead(job: Job, now: datetime, *, at_most: int) -> int:
    """Count the queue entries before the job's own that are alive, up to `at_most`."""
    entry = _queue_entry(job, now)
    waiting = QueueEntryRow.query(
        entry.pk, QueueEntryRow.sk < entry.sk, QueueEntryRow.alive_until > now, consistent_read=True
    )
    return sum(1 for _ in islice(waiting, at_most))


def _partition(provider: str) -> str:
    return f"SLOT#{provider}"


def _holder(job: Job) -> str:
    return f"{job.account}/{job.job_id}"
