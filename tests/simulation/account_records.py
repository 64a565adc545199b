"""The records of an account, with every sum recomputed from its entries and its jobs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.storage.job_rows import JOB_PREFIX, JobRow, partition, to_job
from darkroom.storage.table import AccountRow, EntryRow

_SUMS = ("granted", "available", "held", "spent")


@dataclass(frozen=True)
class AccountRecords:
    """All records of an account."""

    account: AccountRow
    entries: tuple[EntryRow, ...]
    jobs: tuple[Job, ...]

    def entries_of(self, kind: str) -> list[EntryRow]:
        return [entry for entry in self.entries if entry.kind == kind]


def checked_records(account: AccountId) -> AccountRecords:
    """Read all records of an account, and check that they are consistent."""
    records = AccountRecords(
        AccountRow.get(partition(account), "ACCOUNT", consistent_read=True),
        tuple(
            EntryRow.query(
                partition(account), EntryRow.sk.startswith("ENTRY#"), consistent_read=True
            )
        ),
        tuple(
            to_job(row)
            for row in JobRow.query(
                partition(account), JobRow.sk.startswith(JOB_PREFIX), consistent_read=True
            )
        ),
    )
    _check_sums(records)
    _check_counts(records)
    _check_resolutions(records)
    return records


def _check_sums(records: AccountRecords) -> None:
    row = records.account
    assert row.granted == row.available + row.held + row.spent, (
        "granted is not available + held + spent"
    )
    for name in _SUMS:
        assert getattr(row, name) >= 0, f"{name} is below zero"
        assert getattr(row, name) == sum(getattr(entry, name) for entry in records.entries), (
            f"{name} is not the sum of its entries"
        )
    for entry in records.entries:
        assert entry.granted == entry.available + entry.held + entry.spent, (
            f"the entry {entry.sk} does not balance"
        )


def _check_counts(records: AccountRecords) -> None:
    row = records.account
    assert row.in_flight == sum(not job.status.is_final for job in records.jobs), (
        "in_flight is not the number of open jobs"
    )
    assert row.jobs_total == len(records.jobs), "jobs_total is not the number of jobs"
    assert row.held == sum(job.held for job in records.jobs), (
        "held is not the sum of the jobs' holds"
    )
    deleted_count = len(records.entries_of("hold")) - len(records.jobs)
    assert row.revision == len(records.entries) + deleted_count, (
        "revision is not the number of entries and deletions"
    )


def _check_resolutions(records: AccountRecords) -> None:
    holds = {entry.job_id: entry for entry in records.entries_of("hold")}
    resolutions = defaultdict(list)
    for entry in (*records.entries_of("settle"), *records.entries_of("release")):
        resolutions[entry.job_id].append(entry)
    assert len(holds) == len(records.entries_of("hold")), "a job has two holds"
    assert holds.keys() >= {job.job_id for job in records.jobs}, "a job has no hold"
    open_jobs = {job.job_id for job in records.jobs if not job.status.is_final}
    # Only an ended job can be deleted, and its entries remain.
    assert resolutions.keys() == holds.keys() - open_jobs, (
        "an open job has a resolution, or an ended job has none"
    )
    for job_id, entries in resolutions.items():
        (entry,) = entries
        assert entry.held == -holds[job_id].held, "a hold is resolved only in part"
    for job in records.jobs:
        if job.status.is_final:
            (entry,) = resolutions[job.job_id]
            assert (entry.spent, entry.available) == (job.charged, job.refunded), (
                "the receipt differs from the entry"
            )
            assert (job.charged + job.refunded, job.held) == (job.quoted, 0), (
                "charged + refunded is not quoted"
            )
            assert job.charged == job.quoted * len(job.outputs) // job.model_input.outputs_count, (
                "the charge does not match the delivered outputs"
            )
