"""What recovery does about an open job that it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from darkroom.domain.jobs import STORING_SECONDS_MAX, Job

# No invocation of a stopped execution lives longer than the longest time-out of a function, so nobody writes to the job after it.
FUNCTION_TIMEOUT_SECONDS_MAX = 150
CHECK_INTERVAL_SECONDS = 60
# An execution that was stopped by hand tells nobody, so running ones are looked at now and then.
RUNNING_CHECK_INTERVAL_SECONDS = 120


class Action(Enum):
    """What to do."""

    START = auto()
    CHECK_LATER = auto()
    RESUME = auto()
    STOP = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and when to look again if the job is still open then."""

    action: Action
    next_check_at: datetime


def over_at(job: Job) -> datetime:
    """Tell by when a running job should be over: its deadline, one wait, and storing with its last try."""
    return job.deadline_at + timedelta(seconds=job.wait_seconds + STORING_SECONDS_MAX + FUNCTION_TIMEOUT_SECONDS_MAX)


def running_check_at(job: Job, now: datetime) -> datetime:
    """Tell when to look next at a job whose execution runs."""
    return min(over_at(job), now + timedelta(seconds=RUNNING_CHECK_INTERVAL_SECONDS))


def decide(job: Job, *, started: bool, running: bool, stopped_at: datetime | None, now: datetime) -> Decision:
    """Decide about a job from its record and the state of its execution.

    Final but not announced: end it again, which announces it. Never started: start it, and end it when that did not help until its time was
    over. Running past its time: stop it, once, because it does not run afterwards. Asleep although a cancel was asked for: resume it. Stopped
    without resolving: end it from the record, but not before every invocation of it is surely gone.
    """
    soon = now + timedelta(seconds=CHECK_INTERVAL_SECONDS)
    if job.status.is_final:
        return Decision(Action.END, soon)
    if not started:
        return Decision(Action.END if now >= over_at(job) else Action.START, soon)
    if running:
        if now >= over_at(job):
            return Decision(Action.STOP, soon)
        asleep_in_vain = job.cancel_wins and job.task_token is not None
        return Decision(Action.RESUME, soon) if asleep_in_vain else Decision(Action.CHECK_LATER, running_check_at(job, now))
    quiet_at = (stopped_at or now) + timedelta(seconds=FUNCTION_TIMEOUT_SECONDS_MAX)
    return Decision(Action.END, soon) if now >= quiet_at else Decision(Action.CHECK_LATER, quiet_at)
