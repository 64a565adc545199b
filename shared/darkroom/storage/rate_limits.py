"""Counts the costly acts of an account. The table of limits is `domain/limits.py`.

Each act and window has a row of its own in the partition of the account's counters, so no row
counts for several accounts. The write that counts an act has the limit as its condition: concurrent
requests never exceed the limit, and a refused act is not counted. After a lost response an act may
be counted twice.

The counters are not in the account's partition. So the policy of a function that decodes foreign
bytes can allow the counters and exclude `expires_at` of every other row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import LimitReached
from darkroom.domain.ids import key_part
from darkroom.domain.limits import LIMITS, Act
from darkroom.settings import settings
from darkroom.storage.table import LimitRow
from darkroom.storage.transactions import Refused, Update, transact, update

# DynamoDB deletes a counter at least this long after the end of its window.
_RETAINED = timedelta(hours=1)


def count(account: AccountId, act: Act, *, now: datetime, amount: int = 1) -> None:
    """Count `amount` of an act in the account's current window.

    Raises LimitReached, with the seconds until the window ends. Then nothing is counted.
    """
    write = count_write(account, act, now=now, amount=amount)
    if not update(write.row, write.actions, write.condition):
        raise limit_reached(act, now=now)


def count_together(account: AccountId, amounts: Mapping[Act, int], *, now: datetime) -> None:
    """Count several acts in one transaction: all or none.

    Raises LimitReached for the refused act whose window ends last.
    """
    writes = {
        act.value: count_write(account, act, now=now, amount=amount)
        for act, amount in amounts.items()
    }
    try:
        transact(writes)
    except Refused as refused:
        reached = [limit_reached(Act(name), now=now) for name in refused.rows]
        raise max(reached, key=lambda error: error.retry_after_seconds) from refused


def count_write(account: AccountId, act: Act, *, now: datetime, amount: int = 1) -> Update:
    """Return the write that counts an act, for a transaction of the caller.

    If the write is refused, the caller raises `limit_reached`. Raises LimitReached at once if
    `amount` alone exceeds the limit.
    """
    limit_max = limit_max_of(act)
    if amount > limit_max:
        raise limit_reached(act, now=now)
    start = LIMITS[act].window_start(now)
    end = start + timedelta(seconds=LIMITS[act].window_seconds)
    row = LimitRow(_partition(account), f"{act}#{start:%Y-%m-%dT%H:%M}")
    actions = [
        LimitRow.used.add(amount),
        LimitRow.expires_at.set(int((end + _RETAINED).timestamp())),
    ]
    has_room = LimitRow.used.does_not_exist() | (LimitRow.used <= limit_max - amount)
    return Update(row, actions, has_room)


def limit_reached(act: Act, *, now: datetime) -> LimitReached:
    """Return the error for an act beyond its limit."""
    limit = LIMITS[act]
    return limit.error(limit_max_of(act), limit.retry_after_seconds(now), act)


def limit_max_of(act: Act) -> int:
    """Return the maximum of an act for each account and window."""
    limit_max: int = getattr(settings(), LIMITS[act].setting)
    return limit_max


def _partition(account: AccountId) -> str:
    return f"LIMIT#{key_part(account.platform)}#{key_part(account.user)}"
