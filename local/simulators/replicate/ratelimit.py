"""The rate limits: the headers of each response, and the limit of an account with low credit.

The bucket only counts requests for the headers. Only the fault `throttle` refuses requests.
"""

import math
import threading
import time


class LowCredit:
    """The limit of an account with low credit: 6 creates per minute, and one every 10 seconds."""

    SECONDS_EACH = 10

    def __init__(self) -> None:
        """Start with one create available."""
        self._lock = threading.Lock()
        self._next_at = 0.0

    def seconds_left(self) -> int:
        """Count a create and return 0, or return the seconds until a create is allowed."""
        with self._lock:
            now = time.monotonic()
            if now < self._next_at:
                return math.ceil(self._next_at - now)
            self._next_at = now + self.SECONDS_EACH
            return 0


class TokenBucket:
    """A bucket of `per_minute` tokens that is refilled continuously, within a minute."""

    def __init__(self, per_minute: int) -> None:
        """Start with a full bucket."""
        self._size = per_minute
        self._per_second = per_minute / 60
        self._lock = threading.Lock()
        self._tokens = float(per_minute)
        self._filled_at = time.monotonic()

    def take(self) -> dict[str, str]:
        """Count a request. Returns the rate-limit headers of its response.

        The headers have the remaining tokens, and the seconds until the bucket is full.
        """
        with self._lock:
            now = time.monotonic()
            refilled = self._tokens + (now - self._filled_at) * self._per_second
            self._tokens = max(0.0, min(self._size, refilled) - 1)
            self._filled_at = now
            reset_seconds = math.ceil((self._size - self._tokens) / self._per_second)
            return {
                "ratelimit-remaining": str(int(self._tokens)),
                "ratelimit-reset": str(reset_seconds),
            }
