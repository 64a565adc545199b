"""Deletes jobs: the record, and all objects under its prefix. Ledger entries are not deleted."""

from __future__ import annotations

from datetime import datetime, timedelta

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import JobIsOpen
from darkroom.domain.recovery import FUNCTION_TIMEOUT_SECONDS_MAX
from darkroom.media import bucket
from darkroom.settings import settings
from darkroom.storage import checks, jobs
from darkroom.storage.job_rows import DELETED_PREFIX, CheckQueue, key_of, partition
from darkroom.storage.table import AccountRow, DeletedRow
from darkroom.storage.transactions import Delete, Put, Refused, Update, transact, update

# An invocation that still writes media ends within its timeout.
_PURGE_AFTER = timedelta(seconds=FUNCTION_TIMEOUT_SECONDS_MAX + 30)


def delete(account: AccountId, job_id: str, *, now: datetime) -> None:
    """Delete an ended job and its media.

    One transaction deletes the record and writes a mark. Recovery finds the mark and deletes the
    media again, after the last possible invocation of the job has ended. So neither a crash nor a
    late invocation leaves media. Raises NotFound, and JobIsOpen if the job has not ended or its
    end is not announced.
    """
    job = jobs.read(account, job_id)
    if not job.status.is_final:
        raise JobIsOpen("The job has not ended. Cancel it or wait until it ends, then delete it.")
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
        # An existing mark means that an earlier try succeeded, but its response was lost.
        if "mark" not in refused.rows:
            jobs.read(account, job_id)
            raise JobIsOpen(
                "The job has ended, but its end is not announced yet. Delete it in a minute."
            ) from refused
    bucket.delete_all(account, job_id)


def purge_media(account: AccountId, job_id: str, *, next_check_at: datetime) -> None:
    """Delete the remaining media of a deleted job, then its mark.

    If this fails, recovery tries again at `next_check_at`.
    """
    mark = DeletedRow(partition(account), DELETED_PREFIX + job_id)
    if update(mark, [DeletedRow.next_check_at.set(next_check_at)], DeletedRow.pk.exists()):
        bucket.delete_all(account, job_id)
        mark.delete()


def delete_if_expired(
    account: AccountId, job_id: str, *, next_check_at: datetime, now: datetime
) -> bool:
    """Delete the job if its retention is over. Return whether the job was deleted.

    If this fails, recovery tries again at `next_check_at`. If `retention_days` was raised after the
    job ended, the job is retained longer. A lower value applies only to jobs that end later.
    """
    if not checks.schedule_expiry_check(account, job_id, next_check_at):
        return False
    job = jobs.read(account, job_id)
    retain_until = job.retain_until(retention_days=settings().retention_days)
    if retain_until is None or now < retain_until:
        jobs.renew_retention(job)
        return False
    delete(account, job_id, now=now)
    return True
