"""A consistent account, and variations of it that the tests of the audit use."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any

from darkroom.domain.accounts import Balance, Entry
from darkroom.domain.audit import AccountRecords, GrantMarker, mismatches
from darkroom.domain.jobs import Job, JobStatus, Output
from tests.builders import NOON, image_job

_ids = count()


def hash_of(reference: str) -> str:
    return sha256(reference.encode()).hexdigest()


def entry(
    kind: str, *, job: Job | None = None, reference: str | None = None, **changes: int
) -> Entry:
    amounts: dict[str, Any] = {"granted": 0, "available": 0, "held": 0, "spent": 0} | changes
    return Entry(
        entry_id=f"entry-{next(_ids)}",
        kind=kind,
        job_id=job.job_id if job else None,
        reference=reference,
        created_at=NOON,
        **amounts,
    )


def job(*, outputs_count: int = 1, **more: Any) -> Job:
    created = image_job(num_outputs=outputs_count, now=NOON)
    return replace(created, **{"held": created.quoted, **more})


def ended(status: JobStatus, *, outputs_count: int, delivered: int = 0, charged: int = 0) -> Job:
    created = job(outputs_count=outputs_count)
    outputs = tuple(
        Output(number=number, key="k", content_type="image/png", bytes=1, width=1, height=1)
        for number in range(delivered)
    )
    return replace(
        created,
        status=status,
        held=0,
        charged=charged,
        refunded=created.quoted - charged,
        outputs=outputs,
    )


def hold(of: Job, credits: int) -> Entry:
    return entry("hold", job=of, available=-credits, held=credits)


def resolution(of: Job, *, charged: int, refunded: int) -> Entry:
    return entry(
        "settle" if charged else "release",
        job=of,
        available=refunded,
        held=-charged - refunded,
        spent=charged,
    )


OPEN = job(outputs_count=2)
PARTIAL = ended(JobStatus.COMPLETED, outputs_count=3, delivered=2, charged=20)
FAILED = ended(JobStatus.FAILED, outputs_count=1)
DELETED = job()
GRANT = entry("grant", reference="order 1", granted=120, available=120)
CORRECTION = entry("correction", reference="mistake", granted=-20, available=-20)
WELCOME = entry("grant", reference="welcome", granted=5, available=5)
OPEN_HOLD = hold(OPEN, 20)
PARTIAL_HOLD = hold(PARTIAL, 30)
FAILED_HOLD = hold(FAILED, 10)
DELETED_HOLD = hold(DELETED, 10)
SETTLE = resolution(PARTIAL, charged=20, refunded=10)
RELEASE = resolution(FAILED, charged=0, refunded=10)
DELETED_SETTLE = resolution(DELETED, charged=10, refunded=0)
CONSISTENT = AccountRecords(
    account="web/ann",
    balance=Balance(available=55, held=20, spent=30, granted=105, in_flight=1, jobs_total=3),
    entries=(
        GRANT,
        CORRECTION,
        WELCOME,
        OPEN_HOLD,
        PARTIAL_HOLD,
        SETTLE,
        FAILED_HOLD,
        RELEASE,
        DELETED_HOLD,
        DELETED_SETTLE,
    ),
    jobs=(OPEN, PARTIAL, FAILED),
    markers=(
        GrantMarker(GRANT.entry_id, 120, hash_of("order 1")),
        GrantMarker(CORRECTION.entry_id, -20, hash_of("mistake")),
        GrantMarker(WELCOME.entry_id, 5, None),
    ),
    deleted=frozenset({DELETED.job_id}),
)


def mismatches_of(
    records: AccountRecords, *, now: datetime = NOON
) -> list[tuple[str, int | str, int | str, str | None]]:
    return [
        (mismatch.what, mismatch.expected, mismatch.found, mismatch.concerns)
        for mismatch in mismatches(records, now=now)
    ]


def with_balance(**changes: int) -> AccountRecords:
    assert CONSISTENT.balance
    return replace(CONSISTENT, balance=replace(CONSISTENT.balance, **changes))


def with_entry(old: Entry, new: Entry | None, **balance: int) -> AccountRecords:
    replaced = [new if entry is old else entry for entry in CONSISTENT.entries]
    return replace(
        with_balance(**balance), entries=tuple(entry for entry in replaced if entry is not None)
    )


def with_entries(*more: Entry, **balance: int) -> AccountRecords:
    return replace(with_balance(**balance), entries=(*CONSISTENT.entries, *more))


def with_job(old: Job, **changes: Any) -> AccountRecords:
    return replace(
        CONSISTENT,
        jobs=tuple(replace(job, **changes) if job is old else job for job in CONSISTENT.jobs),
    )


def with_markers(*markers: GrantMarker) -> AccountRecords:
    return replace(CONSISTENT, markers=markers)
