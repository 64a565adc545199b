"""The ledger: the balances and entries of all accounts.

Credits move only in this module and in `grants.py`. Each function that moves credits is one
DynamoDB transaction. The transaction updates the account's row and adds one entry with the signed
changes, so the sum of the entries always equals the balance. Entries never change.

All amounts are in credits, and all times are UTC. A function may run again after a lost response:
the conditions of its transaction prevent a second effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from uuid6 import uuid7

from darkroom.domain.accounts import AccountId, Balance, Entry, new_callback_secret
from darkroom.domain.errors import (
    InsufficientCredits,
    RateLimited,
    RequestError,
    Suspended,
    TooManyJobs,
)
from darkroom.domain.failures import Failure
from darkroom.domain.jobs import Job, resolution
from darkroom.domain.limits import LIMITS, Act
from darkroom.settings import settings
from darkroom.storage import accounts, jobs, provider_slots
from darkroom.storage.idempotency import IdempotencyKey, accepted_for, request_write
from darkroom.storage.job_rows import JobRow, end_actions, key_of, partition, row_of
from darkroom.storage.pagination import Page, read_page
from darkroom.storage.table import (
    ENTRY_PREFIX,
    AccountRow,
    EntryRow,
    RateWindowRow,
    Row,
    to_balance,
    to_entry,
)
from darkroom.storage.transactions import Put, RawItem, Refused, Update, Write, transact

_RESOLVE_TRIES_MAX = 8
_RATE_WINDOW_RETAINED = timedelta(hours=1)


def balance(account: AccountId) -> Balance:
    """Return the balance of an account. Before the first grant, all amounts are zero."""
    row = find_account(account)
    return to_balance(row) if row else Balance()


def entries(account: AccountId, *, limit: int, cursor: str | None) -> Page[Entry]:
    """Return a page of the account's entries, newest first."""
    return read_page(
        EntryRow, partition(account), ENTRY_PREFIX, to_entry, limit=limit, cursor=cursor
    )


def hold(job: Job, *, key: IdempotencyKey | None, now: datetime) -> tuple[Job, bool]:
    """Hold the quoted credits and create the job, in one transaction.

    Returns the job, and whether the request repeats an accepted one. A repeated request (same key,
    same body) returns the accepted job, even if no credits are left.

    Raises IdempotencyKeyReused, Suspended, InsufficientCredits, TooManyJobs or RateLimited. The
    first that applies, in this order, is raised, and nothing is written.
    """
    row = row_of(job, next_check_at=now + timedelta(seconds=settings().start_grace_seconds))
    changes = {"available": -job.quoted, "held": job.quoted}
    entry = entry_row(job.account, "hold", now, job_id=job.job_id, **changes)
    # Each write, and what the refusal of the write means: an error, or a job that exists already.
    # If this job or its entry exists, an earlier try wrote them and its response was lost.
    parts: list[tuple[Write, Callable[[RawItem | None], RequestError | tuple[Job, bool]]]] = [
        (create(row), lambda _: (jobs.read(job.account, job.job_id), False)),
        (_hold_credits(job), lambda account: _hold_error(job, account)),
        (_count_job(job, now), lambda _: rate_limited(now=now)),
        (create(entry), lambda _: (jobs.read(job.account, job.job_id), False)),
    ]
    if key:
        parts.insert(
            0, (request_write(job, key, now), lambda request: accepted_for(job, key, request))
        )
    try:
        transact({str(number): write for number, (write, _) in enumerate(parts)})
    except Refused as refused:
        first = min(refused.rows, key=int)
        _, meaning = parts[int(first)]
        outcome = meaning(refused.rows[first])
        if isinstance(outcome, RequestError):
            raise outcome from refused
        return outcome
    return replace(job, held=job.quoted), False


def resolve(
    account: AccountId, job_id: str, *, reason: Failure | None = None, now: datetime
) -> Job:
    """End a job: settle or release its hold, once, as `domain.jobs.resolution` decides.

    Returns the ended job. A job that has already ended is returned unchanged. The same transaction
    releases the job's provider slot. Raises NotFound if there is no such job, and Refused if
    concurrent writes to the job defeat all 8 tries.
    """
    return resolve_and_release(account, job_id, reason=reason, now=now)[0]


def resolve_and_release(
    account: AccountId, job_id: str, *, reason: Failure | None = None, now: datetime
) -> tuple[Job, bool]:
    """End a job as `resolve` does. Return the job, and whether its provider slot was released."""
    release_slot, is_released = True, False
    for attempt in range(1, _RESOLVE_TRIES_MAX + 1):
        job = jobs.read(account, job_id)
        if job.status.is_final:
            break
        writes = _resolution_writes(job, reason, now)
        release = provider_slots.release_write(job) if release_slot else None
        if release:
            writes["slot"] = release
        try:
            transact(writes)
            is_released = release is not None
        except Refused as refused:
            # The job has changed since it was read, or the job no longer holds its slot. A slot
            # that cannot be released must not delay the refund.
            release_slot = release_slot and "slot" not in refused.rows
            if attempt == _RESOLVE_TRIES_MAX:
                raise
    return jobs.read(account, job_id), is_released


def rate_limited(*, now: datetime) -> RateLimited:
    """Return the error for a full minute, with the seconds until the next minute begins."""
    seconds = LIMITS[Act.JOBS].retry_after_seconds(now)
    return RateLimited(settings().jobs_per_minute_max, seconds, Act.JOBS)


def _hold_credits(job: Job) -> Update:
    actions = [
        AccountRow.available.add(-job.quoted),
        AccountRow.held.add(job.quoted),
        AccountRow.in_flight.add(1),
        AccountRow.jobs_total.add(1),
        AccountRow.revision.add(1),
        AccountRow.callback_secret.set(AccountRow.callback_secret | new_callback_secret()),
    ]
    in_flight_max = settings().jobs_in_flight_max
    has_room = (AccountRow.available >= job.quoted) & (AccountRow.in_flight < in_flight_max)
    may_submit = has_room & ~accounts.IS_SUSPENDED
    return Update(AccountRow(partition(job.account)), actions, may_submit)


def _hold_error(job: Job, account: RawItem | None) -> RequestError:
    row = AccountRow.from_raw_data(dict(account)) if account else AccountRow()
    available = int(row.available or 0)
    if row.suspended_at:
        return Suspended()
    if available < job.quoted:
        return InsufficientCredits(required=job.quoted, available=available)
    return TooManyJobs(settings().jobs_in_flight_max)


def _count_job(job: Job, now: datetime) -> Update:
    """Count the job in the account's current minute. Only accepted jobs are counted."""
    row = RateWindowRow(partition(job.account), f"RATE#{now:%Y-%m-%dT%H:%M}")
    actions = [
        RateWindowRow.jobs.add(1),
        RateWindowRow.expires_at.set(int((now + _RATE_WINDOW_RETAINED).timestamp())),
    ]
    per_minute_max = settings().jobs_per_minute_max
    has_room = RateWindowRow.jobs.does_not_exist() | (RateWindowRow.jobs < per_minute_max)
    return Update(row, actions, has_room)


def _resolution_writes(job: Job, reason: Failure | None, now: datetime) -> dict[str, Write]:
    decided = resolution(job, reason=reason)
    kind = "settle" if decided.charged else "release"
    changes = {"available": decided.refunded, "held": -job.held, "spent": decided.charged}
    changes["cost_micro_usd"] = job.billed_micro_usd
    actions = [
        AccountRow.held.add(-job.held),
        AccountRow.spent.add(decided.charged),
        AccountRow.available.add(decided.refunded),
        AccountRow.in_flight.add(-1),
        AccountRow.revision.add(1),
    ]
    is_unchanged = JobRow.revision == job.revision
    return {
        "job": Update(key_of(job.account, job.job_id), end_actions(decided, now), is_unchanged),
        "account": Update(AccountRow(partition(job.account)), actions, AccountRow.held >= job.held),
        "entry": create(entry_row(job.account, kind, now, job_id=job.job_id, **changes)),
    }


def find_account(account: AccountId) -> AccountRow | None:
    """Return the row of an account, or None if it has no row yet."""
    try:
        return AccountRow.get(partition(account), "ACCOUNT", consistent_read=True)
    except AccountRow.DoesNotExist:
        return None


def entry_row(account: AccountId, kind: str, now: datetime, **more: Any) -> EntryRow:  # noqa: ANN401
    """Return the row of a new entry with these signed changes."""
    return EntryRow(
        partition(account), f"{ENTRY_PREFIX}{uuid7()}", kind=kind, created_at=now, **more
    )


def create(row: Row) -> Put:
    """Return the write of a row that must not exist yet."""
    return Put(row, Row.pk.does_not_exist())
