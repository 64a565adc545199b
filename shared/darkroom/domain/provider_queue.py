"""The rules of a provider's queue: who gets the next free slot.

The queue is fair between accounts by provider time: start-time fair queueing (Goyal, Vin and Cheng,
"Start-time fair queueing: a scheduling algorithm for integrated services packet switching
networks", SIGCOMM 1996). Each entry has a virtual start and a virtual finish. The difference is the
expected time of the job's prediction. The start is the virtual time of the queue, or the finish of
the account's previous entry if that is later. The entry with the earliest start gets the next slot.

All virtual times are in milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.domain.accounts import AccountId
from darkroom.domain.provider_health import ProviderState

# With a limit for each account, the first entries may belong to accounts at their limit.
HEADS_MAX = 50
# A sort key has the virtual start with this many digits: 10^17 milliseconds are 3 million years.
_START_DIGITS = 17
_COARSE_AFTER_SECONDS = 120
_FINE_SECONDS = 10
_COARSE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Slot:
    """A provider slot in use. `finish` is the virtual finish of its job."""

    name: str
    account: str
    job_id: str
    finish: int
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A waiting job. `key` is the sort key of its row: entries sort by their virtual start."""

    key: str
    account: str
    job_id: str
    start: int
    finish: int
    enqueued_at: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a waiting job.

    `ahead_of_yours` counts the account's own jobs that come first.
    """

    ahead_of_yours: int
    expected_start_at: datetime


def entry_key(start: int, enqueued_at: datetime, job_id: str) -> str:
    """Return the sort key of a queue entry."""
    return f"{start:0{_START_DIGITS}d}#{enqueued_at:%Y-%m-%dT%H:%M:%S.%f}#{job_id}"


def start_of_key(key: str) -> int:
    """Return the virtual start in the sort key of a queue entry."""
    return int(key[:_START_DIGITS])


def virtual_start(
    state: ProviderState, slots: Iterable[Slot], account: AccountId, *, previous_finish: int = 0
) -> int:
    """Return the virtual start of the account's next job.

    `previous_finish` is the finish of the account's last entry. The account's running jobs count,
    so the first job of another account precedes the next job of an account that holds all slots.
    """
    own = [slot.finish for slot in slots if slot.account == str(account)]
    return max(state.virtual_time, previous_finish, *own)


def free_names(slots: Iterable[Slot], in_flight_max: int) -> list[str]:
    """Return the names of the free slots. A name above the limit is not given again."""
    in_use = {slot.name for slot in slots}
    return [name for number in range(in_flight_max) if (name := f"{number:03}") not in in_use]


def heads_count(in_flight_max: int, per_account_max: int, jobs_in_flight_max: int) -> int:
    """Return how many entries to read, so that one of them belongs to an account below its limit.

    `per_account_max` is 0 if there is no limit for each account.
    """
    if not 0 < per_account_max < in_flight_max:
        return 1
    full_accounts_max = in_flight_max // per_account_max
    return min(1 + full_accounts_max * jobs_in_flight_max, HEADS_MAX)


def is_at_limit(slots: Iterable[Slot], account: str, per_account_max: int) -> bool:
    """Return whether the account holds as many slots as one account may hold."""
    if not per_account_max:
        return False
    return sum(slot.account == account for slot in slots) >= per_account_max


def pick(
    slots: Collection[Slot], heads: Sequence[QueueEntry], per_account_max: int
) -> QueueEntry | None:
    """Return the first entry whose account may have one more slot, or None."""
    held = Counter(slot.account for slot in slots)
    for entry in heads:
        if not per_account_max or held[entry.account] < per_account_max:
            return entry
    return None


def flow_correction(*, expected_seconds: int, actual_seconds: float, seconds_max: int) -> int:
    """Return by how much the finish of an account's flow changes after a prediction.

    The result is the actual minus the expected time, in milliseconds. A prediction that ran longer
    than expected delays the account's later jobs.
    """
    difference = min(max(actual_seconds - expected_seconds, -expected_seconds), seconds_max)
    return round(difference * 1_000)


def position(
    start: int,
    *,
    ahead_of_yours: int,
    state: ProviderState,
    ahead: Sequence[QueueEntry],
    in_flight_max: int,
    now: datetime,
) -> Position:
    """Estimate the position of a waiting job with this virtual start.

    `ahead_of_yours` counts the account's entries ahead. `ahead` has the first entries ahead of this
    one. If `ahead` is not complete, the estimate assumes that the other entries ahead
    have the same density. The time is rounded up to 10 seconds, or to a minute after two minutes.
    """
    work_seconds = sum(other.finish - other.start for other in ahead) / 1_000
    if ahead and (known := ahead[-1].start - state.virtual_time) > 0:
        work_seconds *= max(1.0, (start - state.virtual_time) / known)
    begins_at = state.paused_until if state.paused_until and state.paused_until > now else now
    expected_at = begins_at + timedelta(seconds=work_seconds / max(in_flight_max, 1))
    return Position(ahead_of_yours, _rounded_up(expected_at, now))


def _rounded_up(time: datetime, now: datetime) -> datetime:
    coarse = (time - now).total_seconds() > _COARSE_AFTER_SECONDS
    step = _COARSE_SECONDS if coarse else _FINE_SECONDS
    seconds = -(-time.timestamp() // step) * step
    return datetime.fromtimestamp(seconds, tz=time.tzinfo)
