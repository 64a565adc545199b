"""The queue for provider slots. `domain/provider_queue.py` has its rules.

A job that finds no free slot gets a queue entry. `grant_next` gives a free slot to the first entry.
A job never has both a slot and a queue entry. A job frees its slot when its prediction has
succeeded, or at its end.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.domain.provider_health import ProviderState
from darkroom.domain.provider_queue import (
    QueueEntry,
    free_names,
    heads_count,
    is_at_limit,
    pick,
    virtual_start,
)
from darkroom.settings import settings
from darkroom.storage import jobs, provider_state, queue_flows
from darkroom.storage.job_rows import JobRow, key_of
from darkroom.storage.provider_slots import holder_of, new_entry, put_slot, read_provider
from darkroom.storage.queue_rows import (
    FlowRow,
    QueueEntryRow,
    entry_row_key,
    flow_key,
    queue_partition,
    to_queue_entry,
)
from darkroom.storage.transactions import Delete, Put, Refused, Update, transact, update

_TRIES_MAX = 3
_GRANT_TRIES_MAX = 20
# A granted job must be resumed within this time. After it, recovery resumes the job.
_RESUME_SECONDS_MAX = 60
_FLOW_RETAINED = timedelta(days=7)
# The virtual starts of an account: one for each open job, and a few of canceled jobs.
_STARTS_MAX = 100

_MAY_HOLD_SLOT = (
    jobs.IS_OPEN & JobRow.slot.does_not_exist() & JobRow.cancel_requested_at.does_not_exist()
)


def take(job: Job, *, now: datetime) -> bool:
    """Take a free slot for an open job, if no other job waits for it.

    Returns whether the job holds a slot now. A paused provider gives no slot. Raises
    GenerationFailed if the provider does not offer the template's model.
    """
    if job.slot:
        return True
    provider = job.model_input.provider
    rows = read_provider(provider)
    provider_state.require_offered(job, rows.state)
    free = free_names(rows.slots, settings().in_flight_max(provider))
    per_account_max = settings().predictions_in_flight_per_account_max
    if (
        job.queue_key
        or rows.state.is_paused(now)
        or not free
        or is_at_limit(rows.slots, str(job.account), per_account_max)
        or pick(rows.slots, _heads(provider), per_account_max)
    ):
        return False
    finish = virtual_start(rows.state, rows.slots, job.account) + job.expected_seconds * 1_000
    for name in random.sample(free, min(len(free), _TRIES_MAX)):
        try:
            transact(
                {
                    "slot": put_slot(provider, name, holder_of(job), finish=finish, now=now),
                    "job": Update(
                        key_of(job.account, job.job_id),
                        [JobRow.slot.set(name), *_impairment(rows.state), JobRow.revision.add(1)],
                        _MAY_HOLD_SLOT & JobRow.queue_key.does_not_exist(),
                    ),
                }
            )
        except Refused as refused:
            if "job" in refused.rows:
                return jobs.read(job.account, job.job_id).slot is not None
        else:
            return True
    return False


def enqueue(job: Job, task_token: str, state_entry: str, *, now: datetime) -> bool:
    """Create the job's queue entry and store the task token, in one transaction.

    Returns False if the job or the account's flow has changed. The caller reads the job again.
    """
    provider = job.model_input.provider
    flow = queue_flows.read(job.account, provider)
    rows = read_provider(provider)
    start = virtual_start(
        rows.state, rows.slots, job.account, previous_finish=int(flow.finish) if flow else 0
    )
    finish = start + job.expected_seconds * 1_000
    entry = new_entry(job, start=start, finish=finish, now=now)
    pending = [each for each in queue_flows.starts_of(flow) if each >= rows.state.virtual_time]
    starts = [*pending, start][-_STARTS_MAX:]
    same_flow = FlowRow.version == flow.version if flow else FlowRow.pk.does_not_exist()
    try:
        transact(
            {
                "entry": Put(entry, QueueEntryRow.pk.does_not_exist()),
                "job": Update(
                    key_of(job.account, job.job_id),
                    [
                        JobRow.queue_key.set(entry.sk),
                        JobRow.task_token.set(task_token),
                        JobRow.state_entry.set(state_entry),
                        JobRow.waiting_since.set(JobRow.waiting_since | now),
                        JobRow.next_check_at.set(job.queue_until),
                        JobRow.revision.add(1),
                    ],
                    _MAY_HOLD_SLOT & JobRow.queue_key.does_not_exist() & _is_latest(state_entry),
                ),
                "flow": Update(
                    flow_key(job.account, provider),
                    [
                        FlowRow.finish.set(finish),
                        FlowRow.starts.set(starts),
                        FlowRow.version.add(1),
                        FlowRow.expires_at.set(int((now + _FLOW_RETAINED).timestamp())),
                    ],
                    same_flow,
                ),
            }
        )
    except Refused:
        return False
    return True


def renew_token(job: Job, task_token: str, state_entry: str) -> bool:
    """Store the task token of a job that keeps its queue entry.

    Returns False if the job has changed. The caller reads the job again.
    """
    return update(
        key_of(job.account, job.job_id),
        [
            JobRow.task_token.set(task_token),
            JobRow.state_entry.set(state_entry),
            JobRow.next_check_at.set(job.queue_until),
            JobRow.revision.add(1),
        ],
        _MAY_HOLD_SLOT & (JobRow.queue_key == job.queue_key) & _is_latest(state_entry),
    )


def grant_next(provider: str, *, now: datetime) -> tuple[Job | None, int]:
    """Give a free slot to the first entry of the queue, in one transaction.

    Returns the job that got the slot, or None if there is no free slot, no entry, or a pause. The
    second value is how many slots were still free. Removes the entries of jobs that wait no more.
    """
    in_flight_max = settings().in_flight_max(provider)
    per_account_max = settings().predictions_in_flight_per_account_max
    for _ in range(_GRANT_TRIES_MAX):
        rows = read_provider(provider)
        free = free_names(rows.slots, in_flight_max)
        if not free or rows.state.is_paused(now):
            return None, 0
        entry = pick(rows.slots, _heads(provider), per_account_max)
        if entry is None:
            return None, len(free)
        name = random.choice(free)  # noqa: S311 (spreads the writes)
        if (granted := _grant(provider, name, entry, rows.state, now=now)) is None:
            continue
        if entry.start > rows.state.virtual_time:
            # Outside the transaction, because otherwise all grants would conflict on this row.
            provider_state.advance(provider, entry.start)
        return granted, len(free) - 1
    return None, 0


def leave(job: Job) -> bool:
    """Remove a waiting job from the queue. Returns False if the job got a slot meanwhile."""
    if job.queue_key is None:
        return job.slot is None
    try:
        transact(
            {
                "entry": Delete(entry_row_key(job.model_input.provider, job.queue_key), None),
                "job": Update(
                    key_of(job.account, job.job_id),
                    [JobRow.queue_key.remove(), JobRow.revision.add(1)],
                    (JobRow.queue_key == job.queue_key) & JobRow.slot.does_not_exist(),
                ),
            }
        )
    except Refused:
        return jobs.read(job.account, job.job_id).slot is None
    return True


def entries_before(provider: str, key: str | None, *, limit: int) -> list[QueueEntry]:
    """Return up to `limit` of the first entries, ahead of `key`. The read may be a second old."""
    before = QueueEntryRow.sk < key if key else None
    found = QueueEntryRow.query(queue_partition(provider), before, limit=limit, page_size=limit)
    return [to_queue_entry(row) for row in found if row.holder]


def _grant(
    provider: str, name: str, entry: QueueEntry, state: ProviderState, *, now: datetime
) -> Job | None:
    account = AccountId.parse(entry.account)
    row = entry_row_key(provider, entry.key)
    holder = f"{entry.account}/{entry.job_id}"
    try:
        transact(
            {
                "slot": put_slot(provider, name, holder, finish=entry.finish, now=now),
                "entry": Delete(row, QueueEntryRow.pk.exists()),
                "job": Update(
                    key_of(account, entry.job_id),
                    [
                        JobRow.slot.set(name),
                        *_impairment(state),
                        JobRow.queue_key.remove(),
                        JobRow.next_check_at.set(now + timedelta(seconds=_RESUME_SECONDS_MAX)),
                        JobRow.revision.add(1),
                    ],
                    _MAY_HOLD_SLOT & (JobRow.queue_key == entry.key),
                ),
            }
        )
    except Refused as refused:
        if "job" in refused.rows:
            # The job was canceled or deleted, has ended, or has another entry.
            row.delete()
        return None
    return jobs.read(account, entry.job_id)


def _impairment(state: ProviderState) -> list[Action]:
    return [JobRow.provider_impaired.set(True)] if state.is_impaired else []


def _heads(provider: str) -> list[QueueEntry]:
    """Return the first entries of the queue, with a strongly consistent read.

    Deletes the entries of release 0.1.0, which name no job. Their jobs enter the queue again.
    """
    count = heads_count(
        settings().in_flight_max(provider),
        settings().predictions_in_flight_per_account_max,
        settings().jobs_in_flight_max,
    )
    heads: list[QueueEntry] = []
    for row in QueueEntryRow.query(
        queue_partition(provider), limit=count, page_size=count, consistent_read=True
    ):
        if row.holder:
            heads.append(to_queue_entry(row))
        else:
            row.delete()
    return heads


def _is_latest(state_entry: str) -> Condition:
    is_latest: Condition = JobRow.state_entry.does_not_exist() | (JobRow.state_entry <= state_entry)
    return is_latest
