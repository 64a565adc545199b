"""Accounts with jobs, their rows and their mismatches, for the tests of the audit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.audit import Mismatch
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, Output
from darkroom.services import audit_accounts, delete_job
from darkroom.storage import grants, jobs, ledger
from darkroom.storage.job_rows import JobRow, partition
from darkroom.storage.table import AccountRow
from tests.builders import ANN, image_job, open_account, stored
from tests.integration.steps import with_setting

PK = partition(ANN)
BOB, CLEO = AccountId("mobile", "bob"), AccountId("web", "cleo")

type Difference = tuple[str, int | str, int | str]


def now() -> datetime:
    return datetime.now(UTC)


def output(number: int) -> Output:
    return Output(
        number=number, key=f"media/{number}", content_type="image/webp", bytes=1, width=1, height=1
    )


def end_job(job: Job, *, delivered: int = 0) -> Job:
    """End the job with this number of outputs and take it out of the open jobs."""
    for number in range(delivered):
        assert jobs.record_output(stored(job), output(number))
    ended = ledger.resolve(job.account, job.job_id, reason=failure(FailureCode.REFUSED), now=now())
    jobs.leave_open_jobs(ended)
    return ended


def account_with_all_ends(
    monkeypatch: pytest.MonkeyPatch, account: AccountId = ANN
) -> dict[str, Job]:
    """Make an account with a job in every end. Returns the jobs by their ends."""
    with_setting(monkeypatch, "WELCOME_CREDITS", 7)
    assert grants.welcome(account, now=now())
    grants.grant(account, 500, reason="bought", reference="order 1", now=now())
    grants.grant(account, -13, reason="mistake", reference="order 2", now=now())
    all_jobs = {
        name: ledger.hold(image_job(account=account, num_outputs=3), key=None, now=now())[0]
        for name in ("open", "complete", "partial", "failed", "deleted")
    }
    canceled = ledger.hold(image_job(account=account), key=None, now=now())[0]
    assert jobs.request_cancel(canceled, next_check_at=now(), now=now())
    end_job(canceled)
    for name, delivered in (("complete", 3), ("partial", 2), ("failed", 0), ("deleted", 1)):
        end_job(all_jobs[name], delivered=delivered)
    delete_job.delete(account, all_jobs["deleted"].job_id, now=now())
    return all_jobs | {"canceled": canceled}


def mismatches(account: AccountId = ANN, *, at: datetime | None = None) -> list[Mismatch]:
    return list(audit_accounts.audit(partition(account), now=at or now()).mismatches)


def differences(account: AccountId = ANN) -> set[Difference]:
    """Return what differs, the expected value and the found value of each mismatch."""
    return {(mismatch.what, mismatch.expected, mismatch.found) for mismatch in mismatches(account)}


def job_row(job: Job) -> JobRow:
    return JobRow(partition(job.account), f"JOB#{job.job_id}")


def account_row(account: AccountId = ANN) -> AccountRow:
    return AccountRow(partition(account))


def hold_job_of(account: AccountId) -> Job:
    open_account(100, account)
    return ledger.hold(image_job(account=account), key=None, now=now())[0]
