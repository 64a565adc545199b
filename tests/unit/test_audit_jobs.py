"""The audit reports each mismatch between jobs and their entries, and no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from darkroom.domain.accounts import Balance
from darkroom.domain.audit import AccountRecords, GrantMarker
from darkroom.domain.jobs import JobStatus
from darkroom.domain.recovery import over_at
from tests.unit.audited_account import (
    CONSISTENT,
    DELETED,
    DELETED_HOLD,
    DELETED_SETTLE,
    FAILED,
    OPEN,
    OPEN_HOLD,
    PARTIAL,
    RELEASE,
    SETTLE,
    ended,
    entry,
    hash_of,
    hold,
    job,
    mismatches_of,
    resolution,
    with_entries,
    with_entry,
    with_job,
)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED])
def test_a_job_without_outputs_may_be_failed_or_canceled(status: JobStatus) -> None:
    assert mismatches_of(with_job(FAILED, status=status)) == []


def test_a_delivery_worth_less_than_one_credit_releases_the_hold() -> None:
    cheap = replace(ended(JobStatus.COMPLETED, outputs_count=3, delivered=1), quoted=2, refunded=2)
    records = AccountRecords(
        account="web/ann",
        balance=Balance(available=2, granted=2, jobs_total=1),
        entries=(
            paid := entry("grant", reference="r", granted=2, available=2),
            hold(cheap, 2),
            resolution(cheap, charged=0, refunded=2),
        ),
        jobs=(cheap,),
        markers=(GrantMarker(paid.entry_id, 2, hash_of("r")),),
    )

    assert mismatches_of(records) == []


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
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
        (with_job(PARTIAL, held=30), [("held on the job", 0, 30, PARTIAL.job_id)]),
        (with_job(PARTIAL, charged=21), [("charged on the job", 20, 21, PARTIAL.job_id)]),
        (with_job(PARTIAL, refunded=9), [("refunded on the job", 10, 9, PARTIAL.job_id)]),
        (
            with_job(PARTIAL, status=JobStatus.FAILED),
            [("status of a job with 2 outputs", "completed", "failed", PARTIAL.job_id)],
        ),
        (
            with_job(FAILED, status=JobStatus.COMPLETED),
            [("status of a job with 0 outputs", "failed or canceled", "completed", FAILED.job_id)],
        ),
        (
            with_job(PARTIAL, outputs=PARTIAL.outputs[:1]),
            [
                ("charged on the job", 10, 20, PARTIAL.job_id),
                ("refunded on the job", 20, 10, PARTIAL.job_id),
                ("spent of the job's resolution", 10, 20, PARTIAL.job_id),
                ("available of the job's resolution", 20, 10, PARTIAL.job_id),
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
                ("held of the job's resolution", -30, -29, PARTIAL.job_id),
                ("available of the job's resolution", 10, 9, PARTIAL.job_id),
            ],
        ),
        (
            with_entry(SETTLE, replace(SETTLE, spent=19, available=11), available=56, spent=29),
            [
                ("spent of the job's resolution", 20, 19, PARTIAL.job_id),
                ("available of the job's resolution", 10, 11, PARTIAL.job_id),
            ],
        ),
        (
            with_entries(hold(FAILED, 10), available=45, held=30),
            [("holds of a job", 1, 2, FAILED.job_id)],
        ),
        # Jobs without a record.
        (
            with_entry(DELETED_SETTLE, None, held=30, spent=20),
            [("resolutions of a job without a record", 1, 0, DELETED.job_id)],
        ),
        (
            with_entries(resolution(DELETED, charged=0, refunded=10), available=65, held=10),
            [("resolutions of a job without a record", 1, 2, DELETED.job_id)],
        ),
        (
            with_entry(DELETED_HOLD, None, available=65, held=10),
            [("holds of a job without a record", 1, 0, DELETED.job_id)],
        ),
        (
            with_entry(
                DELETED_SETTLE, replace(DELETED_SETTLE, held=-9, spent=9), held=21, spent=29
            ),
            [("held of the resolution of a job without a record", -10, -9, DELETED.job_id)],
        ),
        (
            with_entry(
                DELETED_SETTLE,
                replace(DELETED_SETTLE, spent=-1, available=11),
                available=66,
                spent=19,
            ),
            [("spent by a job without a record, at most its hold", 0, -1, DELETED.job_id)],
        ),
        (
            with_entry(
                DELETED_SETTLE,
                replace(DELETED_SETTLE, spent=11, available=-1),
                available=54,
                spent=31,
            ),
            [("spent by a job without a record, at most its hold", 10, 11, DELETED.job_id)],
        ),
        (
            replace(CONSISTENT, deleted=frozenset({FAILED.job_id})),
            [("record of a deleted job", "missing", "present", FAILED.job_id)],
        ),
    ],
)
def test_each_mismatch_of_jobs_and_entries_is_reported(
    broken: AccountRecords, expected: list[Any]
) -> None:
    assert sorted(mismatches_of(broken), key=str) == sorted(expected, key=str)


def test_a_hold_without_a_job_is_reported_as_unresolved() -> None:
    of_unknown_job = hold(job(), 10)

    for orphan_hold in (of_unknown_job, replace(of_unknown_job, job_id=None)):
        assert mismatches_of(with_entries(orphan_hold, available=45, held=30)) == [
            ("resolutions of a job without a record", 1, 0, orphan_hold.job_id)
        ]


def test_a_job_is_overdue_only_after_recovery_had_time_to_end_it() -> None:
    over_by = over_at(OPEN) + timedelta(seconds=150 + 3 * 60)

    overdue = mismatches_of(CONSISTENT, now=over_by + timedelta(seconds=1))

    end = f"by {over_by:%Y-%m-%dT%H:%M:%SZ}"
    assert overdue == [("overdue: end of an open job", end, "open", OPEN.job_id)]
    assert mismatches_of(CONSISTENT, now=over_by) == []
