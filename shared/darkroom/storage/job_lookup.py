"""Finds jobs of any account: a job by its id alone, and the open jobs. For administrators only."""

from __future__ import annotations

from darkroom.domain.errors import NotFound
from darkroom.domain.ids import is_id
from darkroom.domain.jobs import Job
from darkroom.storage import jobs
from darkroom.storage.index_pages import read_index_page
from darkroom.storage.job_rows import JOB_PREFIX, CheckQueue, JobRow, account_of, to_job
from darkroom.storage.pagination import Page
from darkroom.storage.table import LookupRow


def read_any(job_id: str) -> Job:
    """Return the job with this id, of any account. Raises NotFound if there is none.

    The index may omit a job for about a second after its submit. The job's data is current.
    """
    if not is_id(job_id):
        raise NotFound("job")
    for row in LookupRow.lookup.query(JOB_PREFIX + job_id, limit=1):
        return jobs.read(account_of(row.pk), job_id)
    raise NotFound("job")


def open_page(*, limit: int, cursor: str | None) -> Page[Job]:
    """Return a page of the open jobs of all accounts. The job that is checked next is first.

    A job moves in this order whenever its next check changes, so it may be on two pages or on none.
    Raises InvalidRequest if the cursor is malformed.
    """
    keys = read_index_page(
        JobRow.next_check,
        ("check_queue", "next_check_at"),
        CheckQueue.OPEN,
        limit=limit,
        cursor=cursor,
    )
    rows = {
        (row.pk, row.sk): row for row in JobRow.batch_get(list(keys.items), consistent_read=True)
    }
    found = [to_job(rows[key]) for key in keys.items if key in rows]
    # The queue also has ended jobs whose end is not announced yet.
    return Page(tuple(job for job in found if not job.status.is_final), keys.next_cursor)
