"""The checks of recovery: which jobs are due, and when each job is checked next.

Each open job and each retained or deleted job has a time for its next check. The index `next-check`
sorts the rows by this time. The functions here do not change `revision`, because users do not see
these times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.accounts import AccountId
from darkroom.storage.job_rows import DELETED_PREFIX, CheckQueue, JobRow, account_of, key_of
from darkroom.storage.jobs import IN_ENDED_QUEUE, IN_OPEN_QUEUE
from darkroom.storage.transactions import update


@dataclass(frozen=True, slots=True)
class DueCheck:
    """A job that recovery must check, or the mark of a deleted job."""

    account: AccountId
    job_id: str
    is_deleted: bool


def due_checks(queue: CheckQueue, *, now: datetime, limit: int) -> Iterator[DueCheck]:
    """Yield up to `limit` due checks of a queue, the most overdue first. This is one query."""
    for row in JobRow.next_check.query(
        queue, JobRow.next_check_at <= now, limit=limit, page_size=limit
    ):
        prefix, _, job_id = row.sk.partition("#")
        yield DueCheck(account_of(row.pk), job_id, is_deleted=f"{prefix}#" == DELETED_PREFIX)


def schedule_check(account: AccountId, job_id: str, at: datetime) -> bool:
    """Set the next check of a job in the open queue.

    Returns False if the job has left the queue.
    """
    return update(key_of(account, job_id), [JobRow.next_check_at.set(at)], IN_OPEN_QUEUE)


def schedule_expiry_check(account: AccountId, job_id: str, at: datetime) -> bool:
    """Set the next check of a retained job.

    Returns False if the job is deleted or never expires.
    """
    return update(key_of(account, job_id), [JobRow.next_check_at.set(at)], IN_ENDED_QUEUE)
