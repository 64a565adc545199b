"""The ledger: the balances and entries of all accounts.

Credits move only in this module. Each function that moves credits (`hold`, `resolve`, `grant`,
`welcome`) is one DynamoDB transaction. The transaction updates the account's row and adds one entry
with the signed changes, so the sum of the entries always equals the balance. Entries never change.

All amounts are in credits, and all times are UTC. A function may run again after a lost response:
the conditions of its transaction prevent a second effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from uuid6 import uuid7

from darkroom.domain.accounts import AccountId, Balance, Entry, new_callback_secret
from darkroom.domain.errors import (
    FieldError,
    InsufficientCredits,
    InvalidRequest,
    RateLimited,
    RequestError,
    TooManyJobs,
)
from darkroom.domain.failures import Failure
from darkroom.domain.ids import key_part
from darkroom.domain.jobs import Job, resolution
from darkroom.observability import logger
from darkroom.settings import settings
from darkroom.storage import jobs, provider_queue
from darkroom.storage.idempotency import IdempotencyKey, accepted_for, request_write
from darkroom.storage.job_rows import JobRow, end_actions, key_of, partition, row_of
from darkroom.storage.pagination import Page, read_page
from darkroom.storage.table import (
    ENTRY_PREFIX,
    AccountRow,
    EntryRow,
    GrantRow,
    RateWindowRow,
    Row,
    WelcomeRow,
    grant_sort_key,
    to_balance,
    to_entry,
)
from darkroom.storage.transactions import Put, RawItem, Refused, Update, Write, transact, update

WELCOME_REFERENCE = "welcome"
_RESOLVE_TRIES_MAX = 8
_RATE_WINDOW_RETAINED = timedelta(hours=1)


def balance(account: AccountId) -> Balance:
    """Return the balance of an account. Before the first grant, all amounts are zero."""
    row = _find_account(account)
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

    Raises IdempotencyKeyReused, InsufficientCredits, TooManyJobs or RateLimited. The first that
    applies, in this order, is raised, and nothing is written.
    """
    row = row_of(job, next_check_at=now + timedelta(seconds=settings().start_grace_seconds))
    changes = {"available": -job.quoted, "held": job.quoted}
    entry = _entry_row(job.account, "hold", now, job_id=job.job_id, **changes)
    # Each write, and what the refusal of the write means: an error, or a job that exists already.
    # If this job or its entry exists, an earlier try wrote them and its response was lost.
    parts: list[tuple[Write, Callable[[RawItem | None], RequestError | tuple[Job, bool]]]] = [
        (_create(row), lambda _: (jobs.read(job.account, job.job_id), False)),
        (_hold_credits(job), lambda account: _hold_error(job, account)),
        (_count_job(job, now), lambda _: rate_limited(now=now)),
        (_create(entry), lambda _: (jobs.read(job.account, job.job_id), False)),
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
    release_slot = True
    for attempt in range(1, _RESOLVE_TRIES_MAX + 1):
        job = jobs.read(account, job_id)
        if job.status.is_final:
            break
        writes = _resolution_writes(job, reason, now)
        release = provider_queue.release_write(job) if release_slot else None
        if release:
            writes["slot"] = release
        try:
            transact(writes)
        except Refused as refused:
            # The job has changed since it was read, or the job no longer holds its slot. A slot
            # that cannot be released must not delay the refund.
            release_slot = release_slot and "slot" not in refused.rows
            if attempt == _RESOLVE_TRIES_MAX:
                raise
    return jobs.read(account, job_id)


def grant(
    account: AccountId, amount: int, *, reason: str, reference: str, now: datetime
) -> tuple[Entry, bool]:
    """Grant credits. A negative amount is a correction: it removes available credits.

    Each reference is granted once. Returns the entry, and whether an earlier call with the same
    reference wrote it. Raises InvalidRequest if the reference was used for another amount, or if a
    correction exceeds the available credits.
    """
    kind = "grant" if amount > 0 else "correction"
    entry = _entry_row(
        account, kind, now, granted=amount, available=amount, reference=reference, reason=reason
    )
    marker = GrantRow(
        partition(account), grant_sort_key(reference), entry_sk=entry.sk, amount=amount
    )
    has_credits = AccountRow.available >= -amount if amount < 0 else None
    try:
        transact(_grant_writes(entry, marker, only_if=has_credits))
    except Refused as refused:
        if "marker" in refused.rows:
            granted = _earlier_grant(account, marker)
            # If the marker names this call's entry, an earlier try of this transaction succeeded
            # and its response was lost. That is not a repetition.
            return granted, ENTRY_PREFIX + granted.entry_id != entry.sk
        raise InvalidRequest(
            [FieldError("amount", "The correction exceeds the available credits.")]
        ) from refused
    return to_entry(entry), False


def welcome(account: AccountId, *, now: datetime) -> bool:
    """Grant a new user the welcome credits of this deployment.

    Each user (`sub`) gets them once: an account of the same user on another platform gets none.
    Returns whether they were granted now.
    """
    amount = settings().welcome_credits
    row = _find_account(account) if amount else None
    if not amount or (row and row.welcomed_at):
        return False
    entry = _entry_row(
        account, "grant", now, granted=amount, available=amount, reference=WELCOME_REFERENCE
    )
    marker_pk = f"WELCOME#{key_part(account.user)}"
    marker = WelcomeRow(marker_pk, account=str(account), entry_sk=entry.sk, amount=amount)
    welcomed = AccountRow.welcomed_at.set(AccountRow.welcomed_at | now)
    try:
        transact(_grant_writes(entry, marker, welcomed))
    except Refused:
        # Another request granted them first, or the user has them on another platform.
        # `welcomed_at` spares later requests the transaction.
        update(AccountRow(partition(account)), [welcomed])
        return False
    logger.info("welcome credits granted", account=str(account), credits=amount)
    return True


def rate_limited(*, now: datetime) -> RateLimited:
    """Return the error for a full minute, with the seconds until the next minute begins."""
    seconds = math.ceil(60 - now.second - now.microsecond / 1_000_000)
    return RateLimited(settings().jobs_per_minute_max, seconds)


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
    return Update(AccountRow(partition(job.account)), actions, has_room)


def _hold_error(job: Job, account: RawItem | None) -> InsufficientCredits | TooManyJobs:
    available = int(AccountRow.from_raw_data(dict(account)).available or 0) if account else 0
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
        "entry": _create(_entry_row(job.account, kind, now, job_id=job.job_id, **changes)),
    }


def _grant_writes(
    entry: EntryRow, marker: Row, *more_actions: Action, only_if: Condition | None = None
) -> dict[str, Write]:
    # The other counters are set to zero with the account, because conditions compare them.
    zeros = (AccountRow.held, AccountRow.spent, AccountRow.in_flight, AccountRow.jobs_total)
    actions = [
        AccountRow.granted.add(entry.granted),
        AccountRow.available.add(entry.available),
        *(counter.add(0) for counter in zeros),
        AccountRow.revision.add(1),
        *more_actions,
    ]
    return {
        "account": Update(AccountRow(entry.pk), actions, only_if),
        "marker": _create(marker),
        "entry": _create(entry),
    }


def _earlier_grant(account: AccountId, marker: GrantRow) -> Entry:
    earlier = GrantRow.get(marker.pk, marker.sk, consistent_read=True)
    if earlier.amount != marker.amount:
        raise InvalidRequest(
            [FieldError("reference", "This reference was used for another amount. Use a new one.")]
        )
    return to_entry(EntryRow.get(partition(account), earlier.entry_sk, consistent_read=True))


def _find_account(account: AccountId) -> AccountRow | None:
    try:
        return AccountRow.get(partition(account), "ACCOUNT", consistent_read=True)
    except AccountRow.DoesNotExist:
        return None


def _entry_row(account: AccountId, kind: str, now: datetime, **more: Any) -> EntryRow:  # noqa: ANN401
    """Return the row of a new entry with these signed changes."""
    return EntryRow(
        partition(account), f"{ENTRY_PREFIX}{uuid7()}", kind=kind, created_at=now, **more
    )


def _create(row: Row) -> Put:
    """Return the write of a row that must not exist yet."""
    return Put(row, Row.pk.does_not_exist())
