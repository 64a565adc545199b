"""Deletes jobs: the record, and everything under its prefix in the bucket. The ledger entries stay."""

from __future__ import annotations

from datetime import datetime, timedelta

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import JobIsOpen
from darkroom.domain.recovery import FUNCTION_TIMEOUT_SECONDS_MAX
from darkroom.media import bucket
from darkroom.settings import settings
from darkroom.storage import jobs
from darkroom.storage.job_rows import DELETED_PREFIX, CheckQueue, key_of, partition
from darkroom.storage.table import AccountRow, DeletedRow
from darkroom.storage.transactions import Delete, Put, Refused, Update, transact, update

_PURGE_AFTER = timedelta(seconds=FUNCTION_TIMEOUT_SECONDS_MAX + 30)


def delete(account: AccountId, job_id: str, *, now: datetime) -> None:
    """Delete a final job and its media. Raises NotFound, and JobIsOpen while it has not ended and been announced.

    The record is deleted first, and a mark is written in the same transaction. Recovery finds the mark and deletes the media again, when no
    invocation can still be writing any. So a crash or a late invocation leaves no media behind.
    """
    job = jobs.read(account, job_id)
    if not job.status.is_final:
        raise JobIsOpen(
            "The job has not ended. Cancel it, or wait for its end, and delete it then."
        )
    mark = DeletedRow(
        partition(account),
        DELETED_PREFIX + job_id,
        check_queue=CheckQueue.ENDED,
        next_check_at=now + _PURGE_AFTER,
    )
    try:
        transact(
            {
                "job": Delete(key_of(account, job_id), jobs.MAY_BE_DELETED),
                "mark": Put(mark, DeletedRow.pk.does_not_exist()),
                "account": Update(
                    AccountRow(partition(account)),
                    [AccountRow.jobs_total.add(-1), AccountRow.revision.add(1)],
                    None,
                ),
            }
        )
    except Refused as refused:
        # An existing mark means that an earlier try succeeded without an answer.
        if "mark" not in refused.rows:
            jobs.read(account, job_id)
            raise JobIsOpen(
                "The job has ended, and that is being announced. Delete it in a moment."
            ) from refused
    bucket.delete_all(account, job_id)


def purge_media(account: AccountId, job_id: str, *, next_check_at: datetime) -> None:
    """Delete the remaining media of a deleted job, then its mark. If that fails, recovery tries again at `next_check_at`."""
    mark = DeletedRow(partition(account), DELETED_PREFIX + job_id)
    if update(mark, [DeletedRow.next_check_at.set(next_check_at)], DeletedRow.pk.exists()):
        bucket.delete_all(account, job_id)
        mark.delete()


def delete_if_expired(
    account: AccountId, job_id: str, *, next_check_at: datetime, now: datetime
) -> bool:
    """Delete a job whose retention is over. Returns whether it was deleted. If that fails, recovery tries again at `next_check_at`.

    When `retention_days` was raised after the job ended, the job is retained longer. A lower value applies to jobs that end later.
    """
    if not jobs.schedule_expiry_check(account, job_id, next_check_at):
        return False
    job = jobs.read(account, job_id)
    retain_until = job.retain_until(retention_days=settings().retention_days)
    if retain_until is None or now < retain_until:
        jobs.renew_retention(job)
        return False
    delete(account, job_id, now=now)
    return True
