"""The ledger: only this module changes a balance, and each function that does so is one transaction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

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
from darkroom.domain.jobs import Job, Resolution, resolution
from darkroom.observability import logger
from darkroom.settings import settings
from darkroom.storage import jobs, provider_queue
from darkroom.storage.idempotency import IdempotencyKey, accepted_for, request_write
from darkroom.storage.job_rows import JobRow, key_of, partition, row_of
from darkroom.storage.pagination import Page, read_page
from darkroom.storage.table import AccountRow, EntryRow, GrantRow, RateWindowRow, WelcomeRow
from darkroom.storage.transactions import Put, RawItem, Refused, Update, Write, transact, update

ENTRY_PREFIX = "ENTRY#"
WELCOME_REFERENCE = "welcome"
_RESOLVE_TRIES_MAX = 8
_RATE_WINDOW_RETAINED = timedelta(hours=1)


def balance(account: AccountId) -> Balance:
    """Read the balance of an account. It is zero before the first grant."""
    try:
        return to_balance(AccountRow.get(partition(account), "ACCOUNT", consistent_read=True))
    except AccountRow.DoesNotExist:
        return Balance()


def entries(account: AccountId, *, limit: int, cursor: str | None) -> Page[Entry]:
    """List the entries of an account, newest first."""
    return read_page(
        EntryRow, partition(account), ENTRY_PREFIX, to_entry, limit=limit, cursor=cursor
    )


def hold(job: Job, *, key: IdempotencyKey | None, now: datetime) -> tuple[Job, bool]:
    """Hold the job's credits and write the job, both or neither, and say whether it is a repeat of an accepted request.

    The same key with the same body gives the job that was accepted, also when no credits are left. Raises IdempotencyKeyReused,
    InsufficientCredits, TooManyJobs or RateLimited, decided in this order; then nothing was written.
    """
    # Each write stands beside what its refusal means: an error, or the job that was accepted before.
    parts: list[tuple[Write, Callable[[RawItem | None], RequestError | tuple[Job, bool]]]] = [
        (_new_job(job, now), lambda _: (jobs.read(job.account, job.job_id), False)),
        (_hold_credits(job), lambda account: _why_not(job, account)),
        (_count_job(job, now), lambda _: rate_limited(now=now)),
        (_hold_entry(job, now), lambda _: (jobs.read(job.account, job.job_id), False)),
    ]
    if key:
        parts.insert(
            0, (request_write(job, key, now), lambda request: accepted_for(job, key, request))
        )
    try:
        transact({str(number): write for number, (write, _) in enumerate(parts)})
    except Refused as refused:
        # The first refusal of the list decides.
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
    """Resolve the hold of a job from its record, once, and return the job as it is then.

    A job that is already final is returned unchanged. Raises NotFound, and Refused when other writes to the job made every try fail.
    """
    release_slot = True
    for tries_left in reversed(range(_RESOLVE_TRIES_MAX)):
        job = jobs.read(account, job_id)
        if job.status.is_final:
            break
        release = provider_queue.release_write(job) if release_slot else None
        try:
            transact(_resolution_writes(job, reason, now) | ({"slot": release} if release else {}))
        except Refused as refused:
            # The job changed after it was read, so it is read again. A slot that cannot be released must not delay the refund.
            release_slot = release_slot and "slot" not in refused.rows
            if not tries_left:
                raise
    return jobs.read(account, job_id)


def grant(
    account: AccountId, amount: int, *, reason: str, reference: str, now: datetime
) -> tuple[Entry, bool]:
    """Give credits, or take back available ones with a negative amount; say whether it is a repeat of the same reference.

    Raises InvalidRequest when the reference was used for another amount, or when a correction would take more than is available.
    """
    kind = "grant" if amount > 0 else "correction"
    entry = _entry_row(
        account, kind, now, granted=amount, available=amount, reference=reference, reason=reason
    )
    marker = GrantRow(
        partition(account),
        f"GRANT#{sha256(reference.encode()).hexdigest()}",
        entry_sk=entry.sk,
        amount=amount,
    )
    account_update = Update(
        AccountRow(partition(account)),
        _grant_actions(amount),
        AccountRow.available >= -amount if amount < 0 else None,
    )
    try:
        transact(
            {
                "account": account_update,
                "marker": Put(marker, GrantRow.pk.does_not_exist()),
                "entry": _put_entry(entry),
            }
        )
    except Refused as refused:
        if "marker" in refused.rows:
            granted = _earlier_grant(account, marker)
            # The entry is new, so a marker that names this very one was written by an earlier, unanswered try of this transaction.
            return granted, ENTRY_PREFIX + granted.entry_id != entry.sk
        raise InvalidRequest(
            [FieldError("amount", "The account has fewer credits available than this takes back.")]
        ) from refused
    return to_entry(entry), False


def welcome(account: AccountId, *, now: datetime) -> bool:
    """Give a new user the welcome credits of this deployment, and say whether they were given now.

    They are given once for each `sub`: another platform of the same user gets none.
    """
    credits_given, row = settings().welcome_credits, AccountRow(partition(account))
    if not credits_given or _is_welcomed(account):
        return False
    entry = _entry_row(
        account,
        "grant",
        now,
        granted=credits_given,
        available=credits_given,
        reference=WELCOME_REFERENCE,
    )
    marker = WelcomeRow(
        f"WELCOME#{key_part(account.user)}",
        account=str(account),
        entry_sk=entry.sk,
        amount=credits_given,
    )
    welcomed = AccountRow.welcomed_at.set(AccountRow.welcomed_at | now)
    try:
        transact(
            {
                "account": Update(row, [*_grant_actions(credits_given), welcomed], None),
                "marker": Put(marker, WelcomeRow.pk.does_not_exist()),
                "entry": _put_entry(entry),
            }
        )
    except Refused:
        # Another request granted them first, or the user was welcomed on another platform. The account need not be tried again.
        update(row, [welcomed])
        return False
    logger.info("welcome credits granted", account=str(account), credits=credits_given)
    return True


def _new_job(job: Job, now: datetime) -> Put:
    """Write the job. It is there already when an earlier, unanswered try of the transaction wrote it."""
    row = row_of(job, next_check_at=now + timedelta(seconds=settings().start_grace_seconds))
    return Put(row, JobRow.pk.does_not_exist())


def _hold_credits(job: Job) -> Update:
    actions = [
        AccountRow.available.add(-job.quoted),
        AccountRow.held.add(job.quoted),
        AccountRow.in_flight.add(1),
        AccountRow.jobs_total.add(1),
        AccountRow.revision.add(1),
        AccountRow.callback_secret.set(AccountRow.callback_secret | new_callback_secret()),
    ]
    has_room = (AccountRow.available >= job.quoted) & (
        AccountRow.in_flight < settings().jobs_in_flight_max
    )
    return Update(AccountRow(partition(job.account)), actions, has_room)


def _why_not(job: Job, account: RawItem | None) -> InsufficientCredits | TooManyJobs:
    available = int(AccountRow.from_raw_data(dict(account)).available or 0) if account else 0
    if available < job.quoted:
        return InsufficientCredits(required=job.quoted, available=available)
    return TooManyJobs(settings().jobs_in_flight_max)


def _count_job(job: Job, now: datetime) -> Update:
    """Count the job in this minute of the account, if the limit allows one more. A refused request is not counted."""
    row = RateWindowRow(partition(job.account), f"RATE#{now:%Y-%m-%dT%H:%M}")
    actions = [
        RateWindowRow.jobs.add(1),
        RateWindowRow.expires_at.set(int((now + _RATE_WINDOW_RETAINED).timestamp())),
    ]
    return Update(
        row,
        actions,
        RateWindowRow.jobs.does_not_exist() | (RateWindowRow.jobs < settings().jobs_per_minute_max),
    )


def rate_limited(*, now: datetime) -> RateLimited:
    """Return the error of a full minute, with the seconds until the next one begins."""
    return RateLimited(
        settings().jobs_per_minute_max, math.ceil(60 - now.second - now.microsecond / 1_000_000)
    )


def _hold_entry(job: Job, now: datetime) -> Put:
    return _put_entry(
        _entry_row(
            job.account, "hold", now, available=-job.quoted, held=job.quoted, job_id=job.job_id
        )
    )


def _grant_actions(amount: int) -> list[Action]:
    # The other counters start at zero with the account, so that conditions can compare them.
    others = [
        counter.add(0)
        for counter in (
            AccountRow.held,
            AccountRow.spent,
            AccountRow.in_flight,
            AccountRow.jobs_total,
        )
    ]
    return [
        AccountRow.granted.add(amount),
        AccountRow.available.add(amount),
        *others,
        AccountRow.revision.add(1),
    ]


def _is_welcomed(account: AccountId) -> bool:
    try:
        return (
            AccountRow.get(partition(account), "ACCOUNT", consistent_read=True).welcomed_at
            is not None
        )
    except AccountRow.DoesNotExist:
        return False


def _resolution_writes(job: Job, reason: Failure | None, now: datetime) -> dict[str, Write]:
    decided = resolution(job, reason=reason)
    moved = [
        AccountRow.held.add(-job.held),
        AccountRow.spent.add(decided.charged),
        AccountRow.available.add(decided.refunded),
        AccountRow.in_flight.add(-1),
        AccountRow.revision.add(1),
    ]
    changes = {"available": decided.refunded, "held": -job.held, "spent": decided.charged}
    entry = _entry_row(
        job.account, "settle" if decided.charged else "release", now, job_id=job.job_id, **changes
    )
    return {
        "job": Update(
            key_of(job.account, job.job_id),
            _end_actions(decided, now),
            JobRow.revision == job.revision,
        ),
        "account": Update(AccountRow(partition(job.account)), moved, AccountRow.held >= job.held),
        "entry": _put_entry(entry),
    }


def _end_actions(decided: Resolution, now: datetime) -> list[Action]:
    actions: list[Action] = [
        JobRow.status.set(decided.status.value),
        JobRow.held.set(0),
        JobRow.charged.set(decided.charged),
        JobRow.refunded.set(decided.refunded),
        JobRow.finished_at.set(now),
        JobRow.task_token.remove(),
        JobRow.waiting_since.remove(),
        JobRow.slot.remove(),
        JobRow.revision.add(1),
    ]
    if decided.failure:
        actions += [
            JobRow.failure_code.set(decided.failure.code.value),
            JobRow.failure_message.set(decided.failure.message),
        ]
    else:
        actions += [JobRow.failure_code.remove(), JobRow.failure_message.remove()]
    return actions


def _earlier_grant(account: AccountId, marker: GrantRow) -> Entry:
    earlier = GrantRow.get(marker.pk, marker.sk, consistent_read=True)
    if earlier.amount != marker.amount:
        raise InvalidRequest(
            [FieldError("reference", "This reference was used for another amount. Use a new one.")]
        )
    return to_entry(EntryRow.get(partition(account), earlier.entry_sk, consistent_read=True))


def to_entry(row: EntryRow) -> Entry:
    """Read an entry from its row."""
    return Entry(
        entry_id=row.sk.removeprefix(ENTRY_PREFIX),
        kind=row.kind,
        granted=int(row.granted),
        available=int(row.available),
        held=int(row.held),
        spent=int(row.spent),
        job_id=row.job_id,
        reference=row.reference,
        created_at=row.created_at,
    )


def to_balance(row: AccountRow) -> Balance:
    """Read the balance from an account's row, which may have been made before its first credits."""
    counters = (row.available, row.held, row.spent, row.granted, row.in_flight, row.jobs_total)
    return Balance(*(int(counter or 0) for counter in counters))


def _entry_row(account: AccountId, kind: str, now: datetime, **changes: Any) -> EntryRow:  # noqa: ANN401 (credits and names)
    """Write down a new entry: the signed changes that its transaction makes."""
    return EntryRow(
        partition(account), f"{ENTRY_PREFIX}{uuid7()}", kind=kind, created_at=now, **changes
    )


def _put_entry(row: EntryRow) -> Put:
    """Put an entry where none is: an entry is never changed."""
    return Put(row, EntryRow.pk.does_not_exist())
