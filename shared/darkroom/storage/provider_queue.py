"""Slots: so many predictions may be in flight at a provider. Each is one item, so none is hot, and one that leaks can be seen and freed.

Who finds none free stands in line, and nobody takes a slot that somebody in front of him is waiting for.
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
from darkroom.storage.job_rows import key_of
from darkroom.storage.table import JobRow, SlotRow, WaiterRow
from darkroom.storage.transactions import Delete, Put, Refused, Update, transact

_TRIES_MAX = 3
_YOUNG = timedelta(seconds=60)
_COME_BACK_SECONDS_MIN = 2.0
_COME_BACK_SECONDS_MAX = 20.0
# Who is so far behind is not told his place more exactly.
_LOOKED_AHEAD_MAX = 100
# A pause is lengthened by jitter, and somebody may be held up on his way.
_HELD_UP_SECONDS = 15


def take(job: Job, *, now: datetime) -> bool:
    """Take a slot for an open job, unless it has one; False when there is none for it, or others were quicker.

    So many free ones as jobs wait in front of it are not for it. Slot, job and its place in the line are written in one transaction.
    """
    if job.slot:
        return True
    taken = {row.sk for row in SlotRow.query(_partition(job.model_input.provider), consistent_read=True)}
    free = [name for number in range(settings().in_flight_max(job.model_input.provider)) if (name := f"{number:03}") not in taken]
    if _ahead(job, now, at_most=len(free)) >= len(free):
        return False
    leaving_the_line = {"place": Delete(_place(job, now), None)} if job.waiting_since else {}
    for name in random.sample(free, min(len(free), _TRIES_MAX)):
        slot = SlotRow(_partition(job.model_input.provider), name, holder=_holder(job), taken_at=now)
        holding = [JobRow.slot.set(name), JobRow.revision.add(1)]
        is_free_to_take = JobRow.slot.does_not_exist() & jobs.IS_OPEN
        try:
            transact(
                {
                    "slot": Put(slot, SlotRow.pk.does_not_exist()),
                    "job": Update(key_of(job.account, job.job_id), holding, is_free_to_take),
                    **leaving_the_line,
                }
            )
        except Refused as refused:
            if "job" in refused.rows:
                return jobs.read(job.account, job.job_id).slot is not None
        else:
            return True
    return False


def stand_in_line(job: Job, *, now: datetime) -> float:
    """Take a place in the line, or keep the one that the job has, and tell after how many seconds it is worth coming back.

    The place is the time since when the job waits. Whoever is far behind comes back less often.
    """
    rounds = _ahead(job, now, at_most=_LOOKED_AHEAD_MAX) // max(settings().in_flight_max(job.model_input.provider), 1)
    seconds = min(_COME_BACK_SECONDS_MIN * (1 + rounds), _COME_BACK_SECONDS_MAX)
    place = _place(job, now)
    place.alive_until = now + timedelta(seconds=2 * seconds + _HELD_UP_SECONDS)
    place.expires_at = int(place.alive_until.timestamp())
    place.save()
    return seconds


def freeing(job: Job) -> Delete | None:
    """Give the write that frees the job's slot, for the transaction that ends the job; None when it holds none."""
    if job.slot is None:
        return None
    return Delete(SlotRow(_partition(job.model_input.provider), job.slot), SlotRow.holder == _holder(job))


def taken_for_long(provider: str, *, now: datetime) -> Iterator[SlotRow]:
    """Name the slots that may have leaked.

    A slot may be seen a moment before the job that took it in the same transaction (docs.aws.amazon.com/amazondynamodb/latest/developerguide/
    transaction-apis.html, "Isolation levels"), so young ones are left alone.
    """
    return iter(SlotRow.query(_partition(provider), filter_condition=SlotRow.taken_at <= now - _YOUNG, consistent_read=True))


def free_if_leaked(slot: SlotRow) -> bool:
    """Free a slot whose job is final, gone, or knows nothing of it, and say whether that was so. It never should be."""
    account, _, job_id = slot.holder.rpartition("/")
    try:
        job = jobs.read(AccountId.parse(account), job_id)
    except NotFound:
        job = None
    if job and job.slot == slot.sk and not job.status.is_final:
        return False
    try:
        transact({"slot": Delete(slot, (SlotRow.holder == slot.holder) & (SlotRow.taken_at == slot.taken_at))})
    except Refused:
        # It was freed meanwhile, by its job or by another recovery, and somebody else may hold it by now.
        return False
    return True


def _place(job: Job, now: datetime) -> WaiterRow:
    since = job.waiting_since or now
    return WaiterRow(f"WAITING#{job.model_input.provider}", f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}#{job.job_id}")


def _ahead(job: Job, now: datetime, *, at_most: int) -> int:
    """Count who waits in front of the job, and came back of late."""
    place = _place(job, now)
    waiting = WaiterRow.query(place.pk, WaiterRow.sk < place.sk, WaiterRow.alive_until > now, consistent_read=True)
    return sum(1 for _ in islice(waiting, at_most))


def _partition(provider: str) -> str:
    return f"SLOT#{provider}"


def _holder(job: Job) -> str:
    return f"{job.account}/{job.job_id}"
