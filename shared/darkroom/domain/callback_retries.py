"""The pauses between the tries of a callback, and the pause of a receiver that times out."""

from __future__ import annotations

from datetime import timedelta

PAUSE_SECONDS_MIN = 5
PAUSE_SECONDS_MAX = 6 * 3_600
RECEIVES_MAX = 16
"""The receives of a message before it becomes a dead letter. The queue has the same number."""

TIMEOUTS_MAX = 3
"""Timeouts in a row after which the callbacks of an account to a host are postponed."""

RECEIVER_PAUSE = timedelta(minutes=1)
"""The time for which they are postponed. Then one callback tries the host again."""

_GROWTH = 2


def pause_seconds(age_seconds: float) -> int:
    """Return the seconds until a message of this age is received again.

    The pause grows with the age and not with the number of receives. So a receive that Lambda
    throttled, or whose invocation crashed, does not shorten the time of the tries.
    """
    return int(min(max(_GROWTH * age_seconds, PAUSE_SECONDS_MIN), PAUSE_SECONDS_MAX))


def is_last_receive(receives: int) -> bool:
    """Return whether a message becomes a dead letter if this receive fails."""
    return receives >= RECEIVES_MAX
