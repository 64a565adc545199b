"""The table of limits: how often an account may do each costly act, and in which window.

Windows are fixed: each begins at a multiple of its length since 1970, in UTC. So an hour begins at
its full hour, and a day at midnight. The maximum of each act is a setting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from darkroom.domain.errors import (
    LimitReached,
    RateLimited,
    TooManyCancels,
    TooManyRequests,
    TooManyUploads,
)

MINUTE = 60
HOUR = 3_600
DAY = 86_400


class Act(StrEnum):
    """A costly act. The value is a part of the sort key of its counter and of log lines."""

    JOBS = "jobs"
    QUOTES = "quotes"
    UPLOADS = "uploads"
    UPLOAD_BYTES = "upload-bytes"
    COMPLETES = "completes"
    CALLBACK_TESTS = "callback-tests"
    CALLBACK_RESENDS = "callback-resends"
    CANCELS = "cancels"


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of one act: `setting` is the maximum for each account and window.

    `error` is raised for an act beyond the limit. `counted` describes in words what is counted.
    """

    setting: str
    window_seconds: int
    error: type[LimitReached]
    counted: str

    def window_start(self, now: datetime) -> datetime:
        """Return the time at which the current window began."""
        seconds = now.timestamp()
        return datetime.fromtimestamp(seconds - seconds % self.window_seconds, UTC)

    def retry_after_seconds(self, now: datetime) -> int:
        """Return the seconds until the current window ends, from 1 to `window_seconds`."""
        return math.ceil(self.window_seconds - now.timestamp() % self.window_seconds)


LIMITS: Mapping[Act, Limit] = {
    Act.JOBS: Limit("jobs_per_minute_max", MINUTE, RateLimited, "Accepted jobs"),
    Act.QUOTES: Limit("quotes_per_hour_max", HOUR, TooManyRequests, "Quotes"),
    Act.UPLOADS: Limit("uploads_per_hour_max", HOUR, TooManyUploads, "Announced uploads"),
    Act.UPLOAD_BYTES: Limit(
        "upload_bytes_per_day_max", DAY, TooManyUploads, "Bytes of announced uploads"
    ),
    Act.COMPLETES: Limit(
        "completes_per_hour_max", HOUR, TooManyUploads, "Checks of uploaded files"
    ),
    Act.CALLBACK_TESTS: Limit(
        "callback_tests_per_minute_max", MINUTE, TooManyRequests, "Test callbacks"
    ),
    Act.CALLBACK_RESENDS: Limit(
        "callback_resends_per_hour_max", HOUR, TooManyRequests, "Repeated callbacks"
    ),
    Act.CANCELS: Limit("cancels_per_hour_max", HOUR, TooManyCancels, "Canceled open jobs"),
}
