"""Lists the jobs of an account, newest first, with filters.

The id of a job is a UUID of version 7, so it begins with the time at which it was made. A filter by
date is a range of sort keys. DynamoDB reads no job outside that range.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import and_

from pynamodb.expressions.condition import Condition

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage.job_rows import JOB_PREFIX, JobRow, partition, to_job
from darkroom.storage.pagination import Page, read_page

# A job's id is made within this time of its `created_at`, by the same clock.
ID_SECONDS_MAX = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID_MILLISECONDS_MAX = 2**48 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list has. An empty field excludes no job.

    `created_after` is included, `created_before` is not, so ranges that meet have no common job.
    """

    statuses: tuple[JobStatus, ...] = ()
    template: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    @property
    def condition(self) -> Condition | None:
        """The filter expression, or None if the filter excludes no job."""
        conditions: list[Condition] = []
        if self.statuses:
            conditions.append(JobRow.status.is_in(*(status.value for status in self.statuses)))
        if self.template:
            conditions.append(JobRow.template_code == self.template)
        if self.created_after:
            conditions.append(JobRow.created_at >= max(self.created_after, _EPOCH))
        if self.created_before:
            conditions.append(JobRow.created_at < max(self.created_before, _EPOCH))
        return reduce(and_, conditions) if conditions else None

    @property
    def key_range(self) -> tuple[str, str] | None:
        """The first and the last sort key, or None without dates."""
        if self.created_after is None and self.created_before is None:
            return None
        first = _milliseconds(self.created_after) - ID_SECONDS_MAX * 1000
        last = _milliseconds(self.created_before) + ID_SECONDS_MAX * 1000
        return (
            JOB_PREFIX + _first_id(first if self.created_after else 0),
            JOB_PREFIX + _last_id(last if self.created_before else _ID_MILLISECONDS_MAX),
        )


def page(
    account: AccountId, *, limit: int, cursor: str | None = None, only: JobFilter | None = None
) -> Page[Job]:
    """Return a page of the account's jobs, newest first.

    DynamoDB reads at most `limit` + 1 rows. So with a filter, a page may have fewer than `limit`
    jobs although there is a next page.
    """
    only = only or JobFilter()
    return read_page(
        JobRow,
        partition(account),
        JOB_PREFIX,
        to_job,
        limit=limit,
        cursor=cursor,
        only=only.condition,
        key_range=only.key_range,
    )


def _milliseconds(time: datetime | None) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1) if time else 0


def _first_id(milliseconds: int) -> str:
    return _id(milliseconds, "0")


def _last_id(milliseconds: int) -> str:
    return _id(milliseconds, "f")


def _id(milliseconds: int, fill: str) -> str:
    """Return the lowest or the highest id of a millisecond, in the form of an id."""
    time = f"{min(max(milliseconds, 0), _ID_MILLISECONDS_MAX):012x}"
    return f"{time[:8]}-{time[8:]}-{fill * 4}-{fill * 4}-{fill * 12}"
