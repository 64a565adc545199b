"""The audit of an account: compare the account's balance, entries, grant markers and jobs.

The audit is independent of the code in `storage/ledger.py`: it computes each expected value again
from the other rows of the account.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain

from darkroom.domain.accounts import Balance, Entry
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.recovery import CHECK_INTERVAL_SECONDS, FUNCTION_TIMEOUT_SECONDS_MAX, over_at

_CREDITS = ("granted", "available", "held", "spent")
_GRANT_KINDS = ("grant", "correction")
# The amounts that must be 0 in an entry of each kind.
_ZERO_AMOUNTS = {"grant": ("held", "spent"), "correction": ("held", "spent"), "hold": ("spent",)}
# The text of the mismatch that concerns time and no amount.
OVERDUE = "overdue: end of an open job"
# Recovery stops an overdue execution, waits until no invocation can still write, and then ends the
# job. One of the three intervals allows for a late schedule.
_OVERDUE_AFTER = timedelta(seconds=FUNCTION_TIMEOUT_SECONDS_MAX + 3 * CHECK_INTERVAL_SECONDS)


@dataclass(frozen=True, slots=True)
class GrantMarker:
    """The row that prevents a second grant for the same reference.

    The marker of welcome credits belongs to a user, not to a reference, and has no hash.
    """

    entry_id: str
    amount: int
    reference_hash: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecords:
    """The rows of an account that the audit compares.

    `deleted` has the ids of jobs that were deleted recently. `unreadable` has the sort keys of rows
    that could not be parsed. `not_in_lookup` has the sort keys of rows that the index `lookup` must
    have and has not. `revision` is the account's revision when the rows were read.
    """

    account: str
    balance: Balance | None
    entries: tuple[Entry, ...] = ()
    jobs: tuple[Job, ...] = ()
    markers: tuple[GrantMarker, ...] = ()
    deleted: frozenset[str] = frozenset()
    unreadable: tuple[str, ...] = ()
    not_in_lookup: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value that differs from what the account's other rows imply.

    `concerns` is the id of a job or an entry, or the sort key of a row, or None.
    """

    account: str
    what: str
    expected: int | str
    found: int | str
    concerns: str | None = None


type _Check = tuple[str, int | str, int | str, str | None]
"""A mismatch without its account: what, expected, found, concerns. Equal values are no mismatch."""


def mismatches(records: AccountRecords, *, now: datetime) -> list[Mismatch]:
    """Return the mismatches between the rows of an account.

    An empty list means that all rows agree.
    """
    checks = chain(
        _rows(records),
        _counters(records),
        _entries(records),
        _markers(records),
        _jobs(records, now),
    )
    return [
        Mismatch(records.account, what, expected, found, concerns)
        for what, expected, found, concerns in checks
        if expected != found
    ]


def _rows(records: AccountRecords) -> Iterator[_Check]:
    yield from (("row", "readable", "unreadable", sort_key) for sort_key in records.unreadable)
    if (
        records.balance is None
        and not records.unreadable
        and (records.entries or records.jobs or records.markers)
    ):
        yield "row of the account", "present", "missing", None


def _counters(records: AccountRecords) -> Iterator[_Check]:
    balance = records.balance
    if balance is None:
        return
    for name in _CREDITS:
        counter = getattr(balance, name)
        yield f"{name}, which is never negative", max(counter, 0), counter, None
        yield (
            f"{name} by the entries",
            sum(getattr(entry, name) for entry in records.entries),
            counter,
            None,
        )
    yield (
        "granted by available + held + spent",
        balance.available + balance.held + balance.spent,
        balance.granted,
        None,
    )
    yield (
        "jobs in flight by the open jobs",
        sum(not job.status.is_final for job in records.jobs),
        balance.in_flight,
        None,
    )
    yield "jobs in total by the records", len(records.jobs), balance.jobs_total, None


def _entries(records: AccountRecords) -> Iterator[_Check]:
    for entry in records.entries:
        kind = _kind_of(entry)
        yield "kind of an entry", kind, entry.kind, entry.entry_id
        yield (
            "granted of an entry by its available + held + spent",
            entry.available + entry.held + entry.spent,
            entry.granted,
            entry.entry_id,
        )
        for name in _ZERO_AMOUNTS.get(kind, ()):
            yield f"{name} of a {kind}", 0, getattr(entry, name), entry.entry_id


def _kind_of(entry: Entry) -> str:
    """Return the kind that an entry's amounts imply, regardless of its attribute `kind`.

    Only the record of a repair has no amounts. It is a correction.
    """
    if entry.granted:
        return "grant" if entry.granted > 0 else "correction"
    if not (entry.available or entry.held or entry.spent):
        return "correction"
    if entry.held > 0:
        return "hold"
    return "settle" if entry.spent else "release"


def _markers(records: AccountRecords) -> Iterator[_Check]:
    marked = Counter(marker.entry_id for marker in records.markers)
    grants = {entry.entry_id: entry for entry in records.entries if _kind_of(entry) in _GRANT_KINDS}
    for entry_id in grants:
        yield "markers of a grant", 1, marked[entry_id], entry_id
    for marker in records.markers:
        entry = grants.get(marker.entry_id)
        yield (
            "entry of a grant marker",
            "present",
            "present" if entry else "missing",
            marker.entry_id,
        )
        if entry:
            yield "amount of a grant marker", entry.granted, marker.amount, marker.entry_id
        if entry and marker.reference_hash:
            yield (
                "reference of a grant marker",
                sha256((entry.reference or "").encode()).hexdigest(),
                marker.reference_hash,
                marker.entry_id,
            )


def _jobs(records: AccountRecords, now: datetime) -> Iterator[_Check]:
    by_job: defaultdict[str | None, list[Entry]] = defaultdict(list)
    for entry in records.entries:
        if _kind_of(entry) not in _GRANT_KINDS:
            by_job[entry.job_id].append(entry)
    for job in records.jobs:
        entries = by_job.pop(job.job_id, [])
        yield from _final_job(job, entries) if job.status.is_final else _open_job(job, entries, now)
        yield (
            "record of a deleted job",
            "missing",
            "present" if job.job_id in records.deleted else "missing",
            job.job_id,
        )
    for job_id, entries in by_job.items():
        yield from _job_without_record(job_id, entries)


def _open_job(job: Job, entries: Sequence[Entry], now: datetime) -> Iterator[_Check]:
    holds, resolutions = _split(entries)
    yield from _receipt(job, held=job.quoted, charged=0, refunded=0)
    yield from _hold(job, holds)
    yield "resolutions of an open job", 0, len(resolutions), job.job_id
    over_by = over_at(job) + _OVERDUE_AFTER
    if now > over_by:
        yield OVERDUE, f"by {over_by:%Y-%m-%dT%H:%M:%SZ}", "open", job.job_id


def _final_job(job: Job, entries: Sequence[Entry]) -> Iterator[_Check]:
    holds, resolutions = _split(entries)
    delivered = min(len(job.outputs), job.model_input.outputs_count)
    charged = job.quoted * delivered // job.model_input.outputs_count if delivered else 0
    refunded = job.quoted - charged
    undelivered = "failed or canceled" if job.status is JobStatus.COMPLETED else job.status
    yield (
        f"status of a job with {delivered} outputs",
        JobStatus.COMPLETED if delivered else undelivered,
        job.status,
        job.job_id,
    )
    yield from _receipt(job, held=0, charged=charged, refunded=refunded)
    yield from _hold(job, holds)
    yield "resolutions of a final job", 1, len(resolutions), job.job_id
    if len(resolutions) == 1:
        yield "held of the job's resolution", -job.quoted, resolutions[0].held, job.job_id
        yield "spent of the job's resolution", charged, resolutions[0].spent, job.job_id
        yield "available of the job's resolution", refunded, resolutions[0].available, job.job_id


def _job_without_record(job_id: str | None, entries: Sequence[Entry]) -> Iterator[_Check]:
    holds, resolutions = _split(entries)
    yield "holds of a job without a record", 1, len(holds), job_id
    yield "resolutions of a job without a record", 1, len(resolutions), job_id
    if len(holds) == len(resolutions) == 1:
        held, spent = holds[0].held, resolutions[0].spent
        yield "held of the resolution of a job without a record", -held, resolutions[0].held, job_id
        yield (
            "spent by a job without a record, at most its hold",
            min(max(spent, 0), held),
            spent,
            job_id,
        )


def _receipt(job: Job, *, held: int, charged: int, refunded: int) -> Iterator[_Check]:
    yield "held on the job", held, job.held, job.job_id
    yield "charged on the job", charged, job.charged, job.job_id
    yield "refunded on the job", refunded, job.refunded, job.job_id


def _hold(job: Job, holds: Sequence[Entry]) -> Iterator[_Check]:
    yield "holds of a job", 1, len(holds), job.job_id
    if len(holds) == 1:
        yield "held of the job's hold", job.quoted, holds[0].held, job.job_id


def _split(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return the holds and the resolutions (settle and release) among the entries of a job."""
    holds = [entry for entry in entries if _kind_of(entry) == "hold"]
    return holds, [entry for entry in entries if _kind_of(entry) != "hold"]
