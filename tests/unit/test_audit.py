from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

import pytest

from darkroom.domain.accounts import Balance, Entry
from darkroom.domain.audit import AccountRecords, GrantMarker, Mismatch, mismatches
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.domain.recovery import over_at
from tests.builders import NOON, image_job

_ids = count()


def hashed(reference: str) -> str:
    return sha256(reference.encode()).hexdigest()


def entry(
    kind: str, *, job: Job | None = None, reference: str | None = None, **changes: int
) -> Entry:
    moved = {"granted": 0, "available": 0, "held": 0, "spent": 0} | changes
    return Entry(
        entry_id=f"entry-{next(_ids)}",
        kind=kind,
        job_id=job.job_id if job else None,
        reference=reference,
        created_at=NOON,
        **moved,
    )


def job(*, asked: int = 1, **more: Any) -> Job:
    made = image_job(num_outputs=asked, now=NOON)
    return replace(made, **{"held": made.quoted, **more})


def ended(status: JobStatus, *, asked: int, delivered: int = 0, charged: int = 0) -> Job:
    made = job(asked=asked)
    outputs = tuple(
        Output(number=number, key="k", content_type="image/png", bytes=1, width=1, height=1)
        for number in range(delivered)
    )
    return replace(
        made,
        status=status,
        held=0,
        charged=charged,
        refunded=made.quoted - charged,
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


OPEN, PART, FAILED, GONE = (
    job(asked=2),
    ended(JobStatus.COMPLETED, asked=3, delivered=2, charged=20),
    ended(JobStatus.FAILED, asked=1),
    job(),
)
GRANT = entry("grant", reference="order 1", granted=120, available=120)
CORRECTION = entry("correction", reference="mistake", granted=-20, available=-20)
WELCOME = entry("grant", reference="welcome", granted=5, available=5)
OPEN_HOLD, PART_HOLD, FAILED_HOLD, GONE_HOLD = (
    hold(OPEN, 20),
    hold(PART, 30),
    hold(FAILED, 10),
    hold(GONE, 10),
)
SETTLE, RELEASE, GONE_SETTLE = (
    resolution(PART, charged=20, refunded=10),
    resolution(FAILED, charged=0, refunded=10),
    resolution(GONE, charged=10, refunded=0),
)
RIGHT = AccountRecords(
    account="web/ann",
    balance=Balance(available=55, held=20, spent=30, granted=105, in_flight=1, jobs_total=3),
    entries=(
        GRANT,
        CORRECTION,
        WELCOME,
        OPEN_HOLD,
        PART_HOLD,
        SETTLE,
        FAILED_HOLD,
        RELEASE,
        GONE_HOLD,
        GONE_SETTLE,
    ),
    jobs=(OPEN, PART, FAILED),
    markers=(
        GrantMarker(GRANT.entry_id, 120, hashed("order 1")),
        GrantMarker(CORRECTION.entry_id, -20, hashed("mistake")),
        GrantMarker(WELCOME.entry_id, 5, None),
    ),
    deleted=frozenset({GONE.job_id}),
)


def found(
    records: AccountRecords, *, now: datetime = NOON
) -> list[tuple[str, int | str, int | str, str | None]]:
    return [
        (mismatch.what, mismatch.expected, mismatch.found, mismatch.concerns)
        for mismatch in mismatches(records, now=now)
    ]


def with_balance(**changes: int) -> AccountRecords:
    assert RIGHT.balance
    return replace(RIGHT, balance=replace(RIGHT.balance, **changes))


def with_entry(old: Entry, new: Entry | None, **balance: int) -> AccountRecords:
    return replace(
        with_balance(**balance),
        entries=tuple(
            entry for entry in (new if entry is old else entry for entry in RIGHT.entries) if entry
        ),
    )


def with_entries(*more: Entry, **balance: int) -> AccountRecords:
    return replace(with_balance(**balance), entries=(*RIGHT.entries, *more))


def with_job(old: Job, **changes: Any) -> AccountRecords:
    return replace(
        RIGHT, jobs=tuple(replace(job, **changes) if job is old else job for job in RIGHT.jobs)
    )


def with_markers(*markers: GrantMarker) -> AccountRecords:
    return replace(RIGHT, markers=markers)


def test_an_account_that_is_right_has_no_difference() -> None:
    assert mismatches(RIGHT, now=NOON) == []
    assert mismatches(replace(RIGHT, deleted=frozenset()), now=NOON) == []


@pytest.mark.parametrize("balance", [None, Balance()])
def test_an_account_that_holds_nothing_has_no_difference(balance: Balance | None) -> None:
    assert mismatches(AccountRecords(account="web/ann", balance=balance), now=NOON) == []


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED])
def test_what_was_not_delivered_may_have_failed_or_been_canceled(status: JobStatus) -> None:
    assert found(with_job(FAILED, status=status)) == []


def test_a_delivery_worth_less_than_one_credit_completes_and_releases_the_hold() -> None:
    cheap = replace(ended(JobStatus.COMPLETED, asked=3, delivered=1), quoted=2, refunded=2)
    records = AccountRecords(
        account="web/ann",
        balance=Balance(available=2, granted=2, jobs_total=1),
        entries=(
            paid := entry("grant", reference="r", granted=2, available=2),
            hold(cheap, 2),
            resolution(cheap, charged=0, refunded=2),
        ),
        jobs=(cheap,),
        markers=(GrantMarker(paid.entry_id, 2, hashed("r")),),
    )

    assert found(records) == []


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        # The account.
        (
            with_balance(available=56),
            [
                ("available by the entries", 55, 56, None),
                ("granted by available + held + spent", 106, 105, None),
            ],
        ),
        (
            with_balance(granted=106),
            [
                ("granted by the entries", 105, 106, None),
                ("granted by available + held + spent", 105, 106, None),
            ],
        ),
        (
            with_balance(held=21, spent=29),
            [("held by the entries", 20, 21, None), ("spent by the entries", 30, 29, None)],
        ),
        (with_balance(in_flight=0), [("jobs in flight by the open jobs", 1, 0, None)]),
        (with_balance(in_flight=2), [("jobs in flight by the open jobs", 1, 2, None)]),
        (with_balance(jobs_total=4), [("jobs in total by the records", 3, 4, None)]),
        (replace(RIGHT, balance=None), [("row of the account", "present", "missing", None)]),
        (replace(RIGHT, unreadable=("JOB#1",)), [("row", "readable", "unreadable", "JOB#1")]),
        (
            replace(RIGHT, balance=None, unreadable=("ACCOUNT",)),
            [("row", "readable", "unreadable", "ACCOUNT")],
        ),
        # The entries.
        (
            with_entry(GRANT, replace(GRANT, available=119), available=54),
            [
                ("granted by available + held + spent", 104, 105, None),
                ("granted of an entry by its available + held + spent", 119, 120, GRANT.entry_id),
            ],
        ),
        (
            with_entry(SETTLE, replace(SETTLE, kind="release")),
            [("kind of an entry", "settle", "release", SETTLE.entry_id)],
        ),
        (
            with_entry(RELEASE, replace(RELEASE, kind="settle")),
            [("kind of an entry", "release", "settle", RELEASE.entry_id)],
        ),
        (
            with_entry(GRANT, replace(GRANT, kind="gift")),
            [("kind of an entry", "grant", "gift", GRANT.entry_id)],
        ),
        (
            with_entry(
                CORRECTION, replace(CORRECTION, available=-21, held=1), available=54, held=21
            ),
            [("held of a correction", 0, 1, CORRECTION.entry_id)],
        ),
        (
            with_entry(
                OPEN_HOLD, replace(OPEN_HOLD, available=-21, spent=1), available=54, spent=31
            ),
            [("spent of a hold", 0, 1, OPEN_HOLD.entry_id)],
        ),
        (
            with_entry(WELCOME, None),
            [
                ("granted by the entries", 100, 105, None),
                ("available by the entries", 50, 55, None),
                ("entry of a grant marker", "present", "missing", WELCOME.entry_id),
            ],
        ),
        # The markers.
        (with_markers(*RIGHT.markers[1:]), [("markers of a grant", 1, 0, GRANT.entry_id)]),
        (with_markers(*RIGHT.markers[:2]), [("markers of a grant", 1, 0, WELCOME.entry_id)]),
        (
            with_markers(*RIGHT.markers, RIGHT.markers[2]),
            [("markers of a grant", 1, 2, WELCOME.entry_id)],
        ),
        (
            with_markers(*RIGHT.markers, GrantMarker("nowhere", 9, None)),
            [("entry of a grant marker", "present", "missing", "nowhere")],
        ),
        (
            with_markers(*RIGHT.markers, GrantMarker(SETTLE.entry_id, 0, None)),
            [("entry of a grant marker", "present", "missing", SETTLE.entry_id)],
        ),
        (
            with_markers(replace(RIGHT.markers[0], amount=121), *RIGHT.markers[1:]),
            [("amount of a grant marker", 120, 121, GRANT.entry_id)],
        ),
        (
            with_markers(
                replace(RIGHT.markers[0], reference_hash=hashed("order 2")), *RIGHT.markers[1:]
            ),
            [("reference of a grant marker", hashed("order 1"), hashed("order 2"), GRANT.entry_id)],
        ),
        # Open jobs.
        (with_job(OPEN, held=0), [("held on the job", 20, 0, OPEN.job_id)]),
        (with_job(OPEN, charged=1), [("charged on the job", 0, 1, OPEN.job_id)]),
        (with_job(OPEN, refunded=1), [("refunded on the job", 0, 1, OPEN.job_id)]),
        (
            with_entry(OPEN_HOLD, hold(OPEN, 19), available=56, held=19),
            [("held of the job's hold", 20, 19, OPEN.job_id)],
        ),
        (
            with_entry(OPEN_HOLD, None, available=75, held=0),
            [("holds of a job", 1, 0, OPEN.job_id)],
        ),
        (
            with_entries(hold(OPEN, 20), available=35, held=40),
            [("holds of a job", 1, 2, OPEN.job_id)],
        ),
        (
            with_entries(resolution(OPEN, charged=0, refunded=20), available=75, held=0),
            [("resolutions of an open job", 0, 1, OPEN.job_id)],
        ),
        # Final jobs.
        (with_job(PART, held=30), [("held on the job", 0, 30, PART.job_id)]),
        (with_job(PART, charged=21), [("charged on the job", 20, 21, PART.job_id)]),
        (with_job(PART, refunded=9), [("refunded on the job", 10, 9, PART.job_id)]),
        (
            with_job(PART, status=JobStatus.FAILED),
            [("status of a job with 2 outputs", "completed", "failed", PART.job_id)],
        ),
        (
            with_job(FAILED, status=JobStatus.COMPLETED),
            [("status of a job with 0 outputs", "failed or canceled", "completed", FAILED.job_id)],
        ),
        (
            with_job(PART, outputs=PART.outputs[:1]),
            [
                ("charged on the job", 10, 20, PART.job_id),
                ("refunded on the job", 20, 10, PART.job_id),
                ("spent of the job's resolution", 10, 20, PART.job_id),
                ("available of the job's resolution", 20, 10, PART.job_id),
            ],
        ),
        (
            with_entry(RELEASE, None, available=45, held=30),
            [("resolutions of a final job", 1, 0, FAILED.job_id)],
        ),
        (
            with_entries(resolution(FAILED, charged=0, refunded=10), available=65, held=10),
            [("resolutions of a final job", 1, 2, FAILED.job_id)],
        ),
        (
            with_entry(SETTLE, replace(SETTLE, held=-29, available=9), available=54, held=21),
            [
                ("held of the job's resolution", -30, -29, PART.job_id),
                ("available of the job's resolution", 10, 9, PART.job_id),
            ],
        ),
        (
            with_entry(SETTLE, replace(SETTLE, spent=19, available=11), available=56, spent=29),
            [
                ("spent of the job's resolution", 20, 19, PART.job_id),
                ("available of the job's resolution", 10, 11, PART.job_id),
            ],
        ),
        (
            with_entries(hold(FAILED, 10), available=45, held=30),
            [("holds of a job", 1, 2, FAILED.job_id)],
        ),
        # Jobs without a record.
        (
            with_entry(GONE_SETTLE, None, held=30, spent=20),
            [("resolutions of a job without a record", 1, 0, GONE.job_id)],
        ),
        (
            with_entries(resolution(GONE, charged=0, refunded=10), available=65, held=10),
            [("resolutions of a job without a record", 1, 2, GONE.job_id)],
        ),
        (
            with_entry(GONE_HOLD, None, available=65, held=10),
            [("holds of a job without a record", 1, 0, GONE.job_id)],
        ),
        (
            with_entry(GONE_SETTLE, replace(GONE_SETTLE, held=-9, spent=9), held=21, spent=29),
            [("held of the resolution of a job without a record", -10, -9, GONE.job_id)],
        ),
        (
            with_entry(
                GONE_SETTLE, replace(GONE_SETTLE, spent=-1, available=11), available=66, spent=19
            ),
            [("spent by a job without a record, of what it held", 0, -1, GONE.job_id)],
        ),
        (
            with_entry(
                GONE_SETTLE, replace(GONE_SETTLE, spent=11, available=-1), available=54, spent=31
            ),
            [("spent by a job without a record, of what it held", 10, 11, GONE.job_id)],
        ),
        (
            replace(RIGHT, deleted=frozenset({FAILED.job_id})),
            [("record of a deleted job", "missing", "present", FAILED.job_id)],
        ),
    ],
)
def test_every_rule_that_is_broken_is_named_and_no_other(
    broken: AccountRecords, expected: list[Any]
) -> None:
    assert sorted(found(broken), key=str) == sorted(expected, key=str)


def test_counters_below_zero_are_named_even_where_they_are_the_sum_of_their_entries() -> None:
    taken = entry("correction", reference="too much", granted=-60, available=-60)
    records = replace(
        with_entries(taken, available=-5, granted=45),
        markers=(*RIGHT.markers, GrantMarker(taken.entry_id, -60, hashed("too much"))),
    )

    assert found(records) == [("available, which is never negative", 0, -5, None)]


@pytest.mark.parametrize(
    "without",
    [
        replace(RIGHT, entries=(), markers=()),
        replace(RIGHT, jobs=(), markers=()),
        replace(RIGHT, entries=(), jobs=()),
    ],
)
def test_whatever_is_left_of_an_account_without_its_row_is_found(without: AccountRecords) -> None:
    assert ("row of the account", "present", "missing", None) in found(
        replace(without, balance=None)
    )


@pytest.mark.parametrize("moved", [lambda hold: hold, lambda hold: replace(hold, job_id=None)])
def test_a_hold_of_no_job_is_a_hold_that_is_never_resolved(moved: Callable[[Entry], Entry]) -> None:
    orphan_hold = moved(hold(job(), 10))

    assert found(with_entries(orphan_hold, available=45, held=30)) == [
        ("resolutions of a job without a record", 1, 0, orphan_hold.job_id)
    ]


def test_a_job_is_overdue_when_recovery_has_had_its_time_and_not_before() -> None:
    over_by = over_at(OPEN) + timedelta(seconds=150 + 3 * 60)

    assert found(RIGHT, now=over_by) == []
    [(what, expected, seen, concerns)] = found(RIGHT, now=over_by + timedelta(seconds=1))

    assert (what, seen, concerns) == ("overdue: end of an open job", "open", OPEN.job_id)
    assert expected == f"by {over_by:%Y-%m-%dT%H:%M:%SZ}"


def test_a_mismatch_says_whose_it_is() -> None:
    assert mismatches(with_balance(jobs_total=4), now=NOON) == [
        Mismatch("web/ann", "jobs in total by the records", 3, 4)
    ]
