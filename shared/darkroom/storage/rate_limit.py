"""Jobs per minute: each accepted job is counted in the transaction that accepts it, so nothing else is, and a race cannot pass the limit."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import RateLimited
from darkroom.settings import settings
from darkroom.storage.job_rows import partition
from darkroom.storage.table import RateWindowRow
from darkroom.storage.transactions import Update

_RETAINED = timedelta(hours=1)


def increment(account: AccountId, *, now: datetime) -> Update:
    """Count one more job in this minute of the account, if there may be one more."""
    row = RateWindowRow(partition(account), f"RATE#{now:%Y-%m-%dT%H:%M}")
    actions = [RateWindowRow.jobs.add(1), RateWindowRow.expires_at.set(int((now + _RETAINED).timestamp()))]
    return Update(row, actions, RateWindowRow.jobs.does_not_exist() | (RateWindowRow.jobs < settings().jobs_per_minute_max))


def exceeded(*, now: datetime) -> RateLimited:
    """Return the error of a full minute, with the seconds until the next one begins."""
    return RateLimited(settings().jobs_per_minute_max, math.ceil(60 - now.second - now.microsecond / 1_000_000))
